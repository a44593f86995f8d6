import { coloured, type Tone } from './tone.ts'

/** A cell: its text, and what it means. */
export type Cell = string | { readonly text: string; readonly tone?: Tone | undefined }

export interface Table {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly Cell[])[]
  /** Printed where there is no row. */
  readonly empty: string
}

/** The table as text: columns as wide as their widest cell, two blanks between, nothing behind the
 *  last. Control characters of texts that came from elsewhere are shown, not obeyed. Pure. */
export function renderTable({ columns, rows, empty }: Table, colours: boolean): string {
  if (rows.length === 0) return `${empty}\n`
  const texts = [columns, ...rows].map((row) => row.map(textOf))
  const widths = columns.map((_column, index) =>
    Math.max(...texts.map((row) => widthOf(row[index] ?? ''))),
  )
  const lines = [columns, ...rows].map((row) =>
    row
      .map((cell, index) => {
        const text = textOf(cell)
        const last = index === row.length - 1
        const padding = last ? '' : ' '.repeat((widths[index] ?? 0) - widthOf(text))
        const tone = typeof cell === 'string' ? undefined : cell.tone
        return coloured(text, tone, colours) + padding
      })
      .join('  ')
      .trimEnd(),
  )
  return `${lines.join('\n')}\n`
}

/** The text on one line: control characters become blanks or their escapes. Pure. */
export function oneLine(text: string): string {
  return text
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

function textOf(cell: Cell): string {
  const text = oneLine(typeof cell === 'string' ? cell : cell.text)
  return text === '' ? '-' : text
}

function widthOf(text: string): number {
  return [...text].length
}
