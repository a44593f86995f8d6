/** A paragraph of a Packages file or a control file (deb822(5)): its fields by name. */
export type Stanza = ReadonlyMap<string, string>

/** The paragraphs of a text, folded lines with their line ends. Pure. */
export function readStanzas(text: string): readonly Stanza[] {
  return text
    .split(/\n\s*\n/)
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const fields = new Map<string, string>()
      let last = ''
      for (const line of part.split('\n')) {
        if (/^[ \t]/.test(line)) {
          fields.set(last, `${fields.get(last) ?? ''}\n${line}`)
          continue
        }
        const colon = line.indexOf(':')
        if (colon < 1) continue
        last = line.slice(0, colon)
        fields.set(last, line.slice(colon + 1).trim())
      }
      return fields
    })
}

/** A field that must be there. Throws where it is not. */
export function fieldOf(stanza: Stanza, name: string): string {
  const value = stanza.get(name)
  if (value === undefined) throw new Error(`${stanza.get('Package')}: no field ${name}`)
  return value
}
