import { isDeepStrictEqual } from 'node:util'
import { roleOf } from '../target/sets.ts'
import { type Chain, type NamedSet, type SetShape, sameValue } from '../target/statement.ts'
import type { Held } from './applied.ts'

/** Whether both stand for the same content of the kernel. */
export function sameHeld(one: Held, other: Held): boolean {
  return (
    one.foreign.join() === other.foreign.join() &&
    [...one.tables].toSorted().join() === [...other.tables].toSorted().join() &&
    sameEntries(one.chains, other.chains, sameChain) &&
    sameEntries(one.sets, other.sets, (a, b) => roleOf(a) === 'moving' || sameSet(a, b))
  )
}

function sameEntries<Value>(
  one: ReadonlyMap<string, Value>,
  other: ReadonlyMap<string, Value>,
  same: (a: Value, b: Value) => boolean,
): boolean {
  if (one.size !== other.size) return false
  for (const [key, value] of one) {
    const found = other.get(key)
    if (found === undefined || (found !== value && !same(found, value))) return false
  }
  return true
}

/** Whether two values of a chain are the same chain. */
export function sameChain(one: Chain, other: Chain): boolean {
  if (one === other) return true
  return isDeepStrictEqual(one.hook, other.hook) && isDeepStrictEqual(one.rules, other.rules)
}

/** Whether two values of a set are the same set with the same elements. */
export function sameSet(one: NamedSet, other: NamedSet): boolean {
  if (one === other) return true
  return sameShape(one, other) && sameEntries(one.elements, other.elements, sameValue)
}

/** Whether two sets are of one type. */
export function sameShape(one: SetShape, other: SetShape): boolean {
  return (
    one.value === other.value &&
    one.interval === other.interval &&
    one.counter === other.counter &&
    one.key.join() === other.key.join()
  )
}
