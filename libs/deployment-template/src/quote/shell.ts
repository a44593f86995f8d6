import { oneLine } from './line.ts'

/** The text as one word of a POSIX shell (2.2.2, single quotes), on one line. */
export function quoteShell(text: string): string {
  return `'${oneLine(text).replaceAll("'", `'"'"'`)}'`
}

/** Lines that write `content` to `target`, a word that is quoted already. The here-document's mark
 *  is none of the content's lines, so nothing in it ends it early; the content ends with a line
 *  end. */
export function hereDocument(target: string, content: string): string {
  const lines = content.replace(/\n$/, '').split('\n')
  let mark = 'PURLIN_END'
  while (lines.includes(mark)) mark += '_'
  return [`cat > ${target} <<'${mark}'`, ...lines, mark].join('\n')
}
