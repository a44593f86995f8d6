import { targetsOf } from '../apply/leftovers.ts'
import type { Counter, ReadCounters } from '../netlink/index.ts'
import type { Direction } from '../policy/desired.ts'
import { DIRECTION_MASK, markClass } from '../target/names.ts'
import { chainOf, objectKey, type TableObjects } from '../target/statement.ts'
import { turnElements } from './observed.ts'

/** What a rule has decided on this host since its list was loaded, over all NICs and both
 *  families. */
export interface RuleHits {
  readonly direction: Direction
  /** `GROUP/DIRECTION/PRIORITY` (or the rule's own id for its priority), `GROUP/members`,
   *  `default`, `open/NAME`. */
  readonly id: string
  readonly packets: bigint
  readonly bytes: bigint
}

/** Sums counters by rule and direction. Which direction a list is of follows from the marks that
 *  lead to it; one that decides both ways for different NICs counts for both. Pure. */
export function hitsOf(objects: TableObjects, counters: ReadCounters): readonly RuleHits[] {
  const sums = new Map<
    string,
    { direction: Direction; id: string; packets: bigint; bytes: bigint }
  >()
  const add = (direction: Direction, id: string, { packets, bytes }: Counter): void => {
    const key = `${direction} ${id}`
    const sum = sums.get(key) ?? { direction, id, packets: 0n, bytes: 0n }
    sums.set(key, { ...sum, packets: sum.packets + packets, bytes: sum.bytes + bytes })
  }
  for (const [direction, reached] of reachedBy(objects)) {
    for (const target of reached) {
      const key = target.slice(target.indexOf(' ') + 1)
      for (const { id, counter } of counters.rules.get(key) ?? []) {
        if (target.startsWith('chain ') && counter !== undefined) add(direction, id, counter)
      }
      if (!target.startsWith('set ')) continue
      const elements = objects.sets.get(key)?.elements
      for (const [at, counter] of counters.elements.get(key) ?? []) {
        const id = elements?.get(at)?.comment
        if (id !== undefined) add(direction, id, counter)
      }
    }
  }
  return [...sums.values()].toSorted((a, b) =>
    `${a.direction} ${a.id}` < `${b.direction} ${b.id}` ? -1 : 1,
  )
}

/** The chains and sets (`chain TABLE/NAME`) that the dispatch leads to, by direction. */
function reachedBy(objects: TableObjects): ReadonlyMap<Direction, ReadonlySet<string>> {
  const found = new Map<Direction, Set<string>>([
    ['inbound', new Set()],
    ['outbound', new Set()],
  ])
  const elements = ['open', 'dispatch'].flatMap((map) => [...turnElements(objects, map).values()])
  for (const { key, value } of elements) {
    const name = typeof value === 'object' ? chainOf(value) : undefined
    if (name === undefined) continue
    const inbound = (Number(key[0]?.first) & DIRECTION_MASK) >>> 0 === markClass.inbound
    const reached = found.get(inbound ? 'inbound' : 'outbound') ?? new Set<string>()
    const open = [`chain ${objectKey({ table: 'inet', name })}`]
    for (let target = open.pop(); target !== undefined; target = open.pop()) {
      if (reached.has(target)) continue
      reached.add(target)
      open.push(...targetsOf(target, objects))
    }
  }
  return found
}
