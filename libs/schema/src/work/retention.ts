import { z } from 'zod'

/** What is kept of a series of copies or records; an item stays while any rule wants it. */
export const retention = z
  .strictObject({
    keepLast: z.number().int().min(1).optional().meta({ description: 'The newest so many.' }),
    keepHours: z.number().positive().optional().meta({ description: 'All that are younger.' }),
    keepDaily: z
      .number()
      .int()
      .min(1)
      .optional()
      .meta({ description: 'The newest of so many days (UTC).' }),
  })
  .refine(
    (rule) =>
      rule.keepLast !== undefined || rule.keepHours !== undefined || rule.keepDaily !== undefined,
    'must say keepLast, keepHours or keepDaily; an empty rule would keep nothing',
  )
  .meta({ id: 'Retention' })
export type Retention = z.infer<typeof retention>

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** The items that no rule wants any more, oldest first. Pure; shape: any items with a time. */
export function expiredBy<Item extends { readonly createdAtMs: number }>(
  rule: Retention,
  items: readonly Item[],
  nowMs: number,
): readonly Item[] {
  const newestFirst = items.toSorted((a, b) => b.createdAtMs - a.createdAtMs)
  const kept = new Set<Item>(newestFirst.slice(0, rule.keepLast ?? 0))
  const oldestMs =
    rule.keepHours === undefined ? Number.POSITIVE_INFINITY : nowMs - rule.keepHours * HOUR_MS
  const days = new Set<number>()
  for (const item of newestFirst) {
    if (item.createdAtMs >= oldestMs) kept.add(item)
    const day = Math.floor(item.createdAtMs / DAY_MS)
    if (!days.has(day) && days.size < (rule.keepDaily ?? 0)) {
      days.add(day)
      kept.add(item)
    }
  }
  return newestFirst.filter((item) => !kept.has(item)).reverse()
}
