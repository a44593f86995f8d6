/** A field of a CSV text. `quoted` tells an empty text from none. */
export interface CsvField {
  readonly text: string
  readonly quoted: boolean
  readonly line: number
}

/** The records of a CSV text (RFC 4180): fields between commas, in quotes where they hold commas,
 *  quotes or line ends, a quote inside doubled. Empty lines are left out. Pure.
 *  Answers the line of a quote that is out of place. */
export function readCsv(
  text: string,
): { readonly records: readonly (readonly CsvField[])[] } | { readonly fault: number } {
  const records: CsvField[][] = []
  let record: CsvField[] = []
  let at = text.startsWith('\uFEFF') ? 1 : 0
  let line = 1
  const endRecord = (): void => {
    const empty = record.length === 1 && record[0]?.text === '' && !record[0].quoted
    if (!empty) records.push(record)
    record = []
  }
  for (;;) {
    const start = line
    const quoted = text[at] === '"'
    let value = ''
    if (quoted) {
      at++
      for (;;) {
        const end = text.indexOf('"', at)
        if (end < 0) return { fault: start }
        value += text.slice(at, end)
        at = end + 1
        if (text[at] !== '"') break
        value += '"'
        at++
      }
      line += value.split('\n').length - 1
    } else {
      const end = /[,\r\n]/g
      end.lastIndex = at
      const stop = end.exec(text)?.index ?? text.length
      value = text.slice(at, stop)
      if (value.includes('"')) return { fault: line }
      at = stop
    }
    record.push({ text: value, quoted, line: start })
    if (text[at] === ',') {
      at++
      continue
    }
    if (at >= text.length) {
      endRecord()
      return { records }
    }
    const ending = text.startsWith('\r\n', at) ? 2 : text[at] === '\n' || text[at] === '\r' ? 1 : 0
    if (ending === 0) return { fault: line }
    at += ending
    line++
    endRecord()
    if (at >= text.length) return { records }
  }
}

/** One record as a line of CSV; undefined is no text, an empty text stands in quotes. Pure. */
export function csvLine(fields: readonly (string | undefined)[]): string {
  const texts = fields.map((field) => {
    if (field === undefined) return ''
    return field === '' || /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field
  })
  return `${texts.join(',')}\n`
}
