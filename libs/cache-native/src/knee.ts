import type { AdviceRow } from './addon.ts'

/** The size from which a mode gains little more: of the sizes the one where the requests that the
 *  disk is spared are farthest above the straight line from no cache to the largest
 *  (V. Satopaa et al., "Finding a 'Kneedle' in a Haystack", ICDCS workshops 2011). Undefined when
 *  no size spares anything. Shape: `rows` of one mode, in the order of their sizes. Pure. */
export function kneeOf(rows: readonly AdviceRow[]): AdviceRow | undefined {
  const largest = rows.at(-1)
  if (largest === undefined) return undefined
  const spared = (row: AdviceRow): number => 1 - row.diskRequestsPerRequest
  const most = Math.max(...rows.map(spared))
  if (most <= 0) return undefined
  const above = (row: AdviceRow): number => spared(row) / most - row.sizeBytes / largest.sizeBytes
  return rows.reduce((best, row) => (above(row) > above(best) ? row : best))
}
