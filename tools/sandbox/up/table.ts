import type { Cell } from './question.ts'
import { serviceText } from './service.ts'

/** The line that says how to read the table. */
export const TABLE_LEGEND = 'v4/v6: + passes, · does not, ! differs from the policy'

/** The reachability table: a row a pair, a column a service, in each cell both families. Pure. */
export function reachabilityTable(cells: readonly Cell[]): readonly string[] {
  const columns = [...new Set(cells.map(({ service }) => serviceText(service)))]
  const rows = new Map<string, Map<string, string[]>>()
  for (const cell of cells) {
    const pair = JSON.stringify([cell.from.name, cell.to.name])
    const row = rows.get(pair) ?? new Map<string, string[]>()
    rows.set(pair, row)
    const column = serviceText(cell.service)
    const marks = row.get(column) ?? [' ', ' ']
    row.set(column, marks)
    marks[cell.family === 'ipv4' ? 0 : 1] = markOf(cell)
  }
  const lines = [...rows].map(([pair, row]) => [
    ...(JSON.parse(pair) as [string, string]),
    ...columns.map((column) => row.get(column)?.join('/') ?? ''),
  ])
  return aligned([['from', 'to', ...columns], ...lines])
}

/** Rows of words as lines, the columns aligned to the left. */
export function aligned(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => [...(row[column] ?? '')].length)),
  )
  return rows.map((row) =>
    row
      .map((word, column) => word.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

function markOf({ passes, expected }: Cell): string {
  return `${passes ? '+' : '·'}${passes === expected ? '' : '!'}`
}
