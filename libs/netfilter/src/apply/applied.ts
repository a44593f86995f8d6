import type { ReadTable } from '../netlink/index.ts'
import type { NetfilterObserved } from '../observe/observed.ts'
import { type TableFamily, tableFamilies } from '../target/names.ts'
import { roleOf, turnShapes } from '../target/sets.ts'
import {
  elementKey,
  elementsByKey,
  type NamedSet,
  objectKey,
  type TableObjects,
} from '../target/statement.ts'
import type { Difference, RetainedElements } from './difference.ts'
import type { Leftovers } from './leftovers.ts'
import { sameChain, sameSet } from './same.ts'

/** What stands in the kernel, without what follows from it. */
export type Held = Pick<NetfilterObserved, 'tables' | 'chains' | 'sets' | 'foreign'>

/** Of which rule set what stands was made by our own transactions, and whether nothing is left over
 *  beside it. */
interface Made {
  readonly wanted: TableObjects
  readonly isTidy: boolean
}

/** Wanted sets that may not stand as they are wanted, all others do; `isAlone`: and afterwards
 *  nothing stands beside the wanted ones. */
export interface ChangedSets {
  readonly sets: TableObjects['sets']
  readonly isAlone: boolean
}

const made = new WeakMap<Held['sets'], Made & Pick<Held, 'chains'>>()

/** What our own transactions have made what stands of; undefined where it was read. */
export function madeOf({ chains, sets }: Pick<Held, 'chains' | 'sets'>): Made | undefined {
  const found = made.get(sets)
  return found?.chains === chains ? found : undefined
}

/** What stands after all but the last transaction of a difference. Its parts are the wanted values
 *  themselves, so that the next comparison costs nothing. `changed`: the wanted sets that are not
 *  those which stand already, where they are known. Pure. */
export function applied(
  held: Held,
  wanted: TableObjects,
  { faults, remove }: Difference,
  retained: RetainedElements,
  changed: ChangedSets = { sets: wanted.sets, isAlone: false },
): Held {
  const fresh = [...faults.keys()].flatMap((key) =>
    key.startsWith('chain ') ? (wanted.chains.get(key.slice('chain '.length)) ?? []) : [],
  )
  // The same map as before where no chain was made: what was worked out about it still holds.
  const chains =
    fresh.length === 0
      ? held.chains
      : new Map([...held.chains, ...fresh.map((chain) => [objectKey(chain), chain] as const)])
  if (changed.isAlone) {
    made.set(wanted.sets, { wanted, chains, isTidy: remove.length === 0 })
    return { tables: new Set(tableFamilies), chains, sets: wanted.sets, foreign: held.foreign }
  }
  const sets = new Map(held.sets)
  for (const [key, set] of changed.sets) {
    const former = held.sets.get(key)
    if (former === set) continue
    if (former === undefined || roleOf(set) !== 'moving') sets.set(key, set)
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
  made.set(sets, { wanted, chains, isTidy: false })
  return { tables: new Set(tableFamilies), chains, sets, foreign: held.foreign }
}

/** What stands after the last transaction too. Pure. */
export function tidied(held: Held, { remove, leftovers }: Difference): Held {
  const sets = remove.length === 0 ? new Map<string, NamedSet>() : new Map(held.sets)
  for (const change of remove) {
    if (change.change !== 'delete-elements') continue
    const key = objectKey(change.set)
    const set = sets.get(key)
    if (set === undefined) continue
    const gone = new Set(change.elements.map(elementKey))
    const elements = new Map([...set.elements].filter(([at]) => !gone.has(at)))
    sets.set(key, { ...set, elements })
  }
  const before = madeOf(held)
  const after = without(remove.length === 0 ? held : { ...held, sets }, leftovers)
  if (before !== undefined) {
    made.set(after.sets, { wanted: before.wanted, chains: after.chains, isTidy: true })
  }
  return after
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
