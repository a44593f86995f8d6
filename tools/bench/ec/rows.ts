import type { Operation, Shape } from './cases.ts'
import type { Reading } from './measure.ts'

/** One case with what every side made of it, by column. */
export interface Row extends Shape {
  readonly operation: Operation
  /** Whether a ring of stripes larger than the caches was worked on. */
  readonly cold: boolean
  readonly readings: Readonly<Record<string, Reading>>
  /** The best of memcpy and all XOR passes, and which it was; beside it the best of memcpy and the
   *  one pass that is not made for its numbers of shards. Absent where it was not measured. */
  readonly limit?: { readonly rate: number; readonly pass: string; readonly plainRate: number }
}

/** A side's rate over another's in one case; undefined where either was not measured. The name
 *  `limit` stands for the machine's, `plain` for its plain passes. Pure. */
export function ratio(row: Row, column: string, over: string): number | undefined {
  const rateOf = (name: string): number | undefined =>
    name === 'limit'
      ? row.limit?.rate
      : name === 'plain'
        ? row.limit?.plainRate
        : row.readings[name]?.rate
  const [ours, theirs] = [rateOf(column), rateOf(over)]
  return ours === undefined || theirs === undefined ? undefined : ours / theirs
}

/** The rows of a kind. Pure. */
export function rowsOf(
  rows: readonly Row[],
  operation: Operation,
  { cold }: { readonly cold: boolean },
): readonly Row[] {
  return rows.filter((row) => row.operation === operation && row.cold === cold)
}

/** The ratios of those rows that have both sides. Pure. */
export function ratios(rows: readonly Row[], column: string, over: string): readonly number[] {
  return rows.flatMap((row) => ratio(row, column, over) ?? [])
}
