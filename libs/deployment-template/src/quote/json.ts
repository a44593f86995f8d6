/** JSON that YAML 1.1 readers (cloud-init reads with PyYAML) take as the same value: all but
 *  printable ASCII is escaped, pairs of surrogates as one character of eight digits. */
export function yamlJson(value: unknown): string {
  return JSON.stringify(value, undefined, 2).replaceAll(/[^\x20-\x7e\n]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0
    return code > 0xffff
      ? `\\U${code.toString(16).padStart(8, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`
  })
}
