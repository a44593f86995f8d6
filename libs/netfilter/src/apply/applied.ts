import type { ReadTable } from '../netlink/index.ts'
import type { NetfilterObserved } from '../observe/observed.ts'
import { type TableFamily, tableFamilies } from '../target/names.ts'
import { roleOf, turnShapes } from '../target/sets.ts'
import { elementKey, elementsByKey, objectKey, type TableObjects } from '../target/statement.ts'
import type { Difference, RetainedElements } from './difference.ts'
import type { Leftovers } from './leftovers.ts'
import { sameChain, sameSet } from './same.ts'

/** What stands in the kernel, without what follows from it. */
export type Held = Pick<NetfilterObserved, 'tables' | 'chains' | 'sets' | 'foreign'>

/** What stands after the first two transactions of a difference. Its parts are the wanted values
 *  themselves, so that the next comparison costs nothing. Pure. */
export function applied(
  held: Held,
  wanted: TableObjects,
  { faults, remove }: Difference,
  retained: RetainedElements,
): Held {
  const made = [...faults.keys()].flatMap((key) =>
    key.startsWith('chain ') ? (wanted.chains.get(key.slice('chain '.length)) ?? []) : [],
  )
  // The same map as before where no chain was made: what was worked out about it still holds.
  const chains =
    made.length === 0
      ? held.chains
      : new Map([...held.chains, ...made.map((chain) => [objectKey(chain), chain] as const)])
  const sets = new Map(held.sets)
  for (const [key, set] of wanted.sets) {
    if (roleOf(set) !== 'moving' || !sets.has(key)) sets.set(key, set)
  }
  for (const shape of turnShapes) {
    const key = objectKey(shape)
    const keys = retained.get(shape.name)
    if (keys === undefined) continue
    const [set, former] = [sets.get(key), held.sets.get(key)]
    if (set === undefined || former === undefined) continue
    const elements = new Map(set.elements)
    for (const at of keys) {
      const element = former.elements.get(at)
      if (element !== undefined && !elements.has(at)) elements.set(at, element)
    }
    sets.set(key, { ...set, elements })
  }
  for (const change of remove) {
    if (change.change !== 'delete-elements') continue
    const key = objectKey(change.set)
    const set = sets.get(key)
    if (set === undefined) continue
    const elements = new Map([...set.elements, ...elementsByKey(change.elements)])
    sets.set(key, { ...set, elements })
  }
  return { tables: new Set(tableFamilies), chains, sets, foreign: held.foreign }
}

/** What stands after the third transaction too. Pure. */
export function tidied(held: Held, { remove, leftovers }: Difference): Held {
  const sets = new Map(held.sets)
  for (const change of remove) {
    if (change.change !== 'delete-elements') continue
    const key = objectKey(change.set)
    const set = sets.get(key)
    if (set === undefined) continue
    const gone = new Set(change.elements.map(elementKey))
    const elements = new Map([...set.elements].filter(([at]) => !gone.has(at)))
    sets.set(key, { ...set, elements })
  }
  return without(remove.length === 0 ? held : { ...held, sets }, leftovers)
}

/** What stands after chains and sets were deleted. Pure. */
export function without(held: Held, gone: Leftovers): Held {
  if (gone.chains.size + gone.sets.size === 0) return held
  const chains = new Map(held.chains)
  for (const key of gone.chains) chains.delete(key)
  const sets = new Map(held.sets)
  for (const key of gone.sets) sets.delete(key)
  return { ...held, chains, sets }
}

/** What stands after elements of the skeleton's maps were deleted. Pure. */
export function withoutElements(held: Held, gone: RetainedElements): Held {
  const sets = new Map(held.sets)
  for (const shape of turnShapes) {
    const key = objectKey(shape)
    const set = sets.get(key)
    const keys = gone.get(shape.name)
    if (set === undefined || keys === undefined) continue
    const elements = [...set.elements].filter(([at]) => !keys.has(at))
    sets.set(key, { ...set, elements: new Map(elements) })
  }
  return { ...held, sets }
}

/** What was read, with the values of `expected` for all that is equal to them. */
export function adopted(
  tables: ReadonlyMap<TableFamily, ReadTable>,
  expected: Held | undefined,
): Held {
  const read = [...tables.values()]
  const chains = new Map(read.flatMap((table) => [...table.chains]))
  const sets = new Map(read.flatMap((table) => [...table.sets]))
  for (const [key, chain] of chains) {
    const known = expected?.chains.get(key)
    if (known !== undefined && sameChain(known, chain)) chains.set(key, known)
  }
  for (const [key, set] of sets) {
    const known = expected?.sets.get(key)
    if (known !== undefined && sameSet(known, set)) sets.set(key, known)
  }
  return {
    tables: new Set(tables.keys()),
    chains,
    sets,
    foreign: read.flatMap((table) => table.foreign),
  }
}
