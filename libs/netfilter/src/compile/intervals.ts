import type { FlatRule } from '../flatten.ts'
import { isWholeFamily } from '../policy/ranges.ts'
import type { RulePosition } from './winners.ts'

/** Addresses that the same rules name by network, address or range. */
export interface AddressInterval {
  readonly first: bigint
  readonly last: bigint
  /** Ascending; never empty. */
  readonly rules: readonly RulePosition[]
}

/** Whether a rule is for everyone. */
export function isForAnyone({ peer }: FlatRule): boolean {
  return peer === undefined || peer.ranges.some(isWholeFamily)
}

/** Cuts the addresses that the rules name into disjoint intervals in order. Undefined where the
 *  rules of all intervals together are more than `workMax`: wide networks inside each other. */
export function addressIntervals(
  rules: readonly FlatRule[],
  workMax: number,
): readonly AddressInterval[] | undefined {
  const begins = new Map<bigint, RulePosition[]>()
  const ends = new Map<bigint, RulePosition[]>()
  rules.forEach((rule, position) => {
    if (isForAnyone(rule)) return
    for (const { first, last } of rule.peer?.ranges ?? []) {
      push(begins, first, position)
      push(ends, last + 1n, position)
    }
  })
  const bounds = [...new Set([...begins.keys(), ...ends.keys()])].sort((a, b) => (a < b ? -1 : 1))
  const active = new Set<RulePosition>()
  const intervals: AddressInterval[] = []
  let work = 0
  bounds.forEach((first, index) => {
    // A rule's own ranges are disjoint and do not touch, so it never ends where it begins.
    for (const position of ends.get(first) ?? []) active.delete(position)
    for (const position of begins.get(first) ?? []) active.add(position)
    const next = bounds[index + 1]
    work += active.size
    if (next === undefined || active.size === 0 || work > workMax) return
    const sorted = [...active]
    if (sorted.length > 1) sorted.sort((a, b) => a - b)
    intervals.push({ first, last: next - 1n, rules: sorted })
  })
  return work > workMax ? undefined : intervals
}

function push(into: Map<bigint, RulePosition[]>, key: bigint, position: RulePosition): void {
  const known = into.get(key)
  if (known === undefined) into.set(key, [position])
  else known.push(position)
}

/** Both ascending lists as one, each position once. */
export function union(
  one: readonly RulePosition[],
  other: readonly RulePosition[],
): readonly RulePosition[] {
  return [...new Set([...one, ...other])].sort((a, b) => a - b)
}
