import { type NetfilterObserved, observedMap } from '../observe/observed.ts'
import type { KernelChain } from '../target/kernel-ruleset.ts'
import { chainKey } from '../target/kernel-ruleset.ts'
import { mapNames, mapTypes } from '../target/names.ts'
import { elementLines, mapKeyText } from '../target/script.ts'
import { skeletonChains } from '../target/skeleton.ts'
import type { RetainedElements } from './difference.ts'
import { leftoverLines, leftovers } from './leftovers.ts'

/** Lines that delete those of the elements which the kernel still has. */
export function elementRemovalLines(
  elements: RetainedElements,
  observed: NetfilterObserved,
): readonly string[] {
  return mapNames.flatMap((name) => {
    const table = mapTypes[name].table
    const present = observedMap(observed, table, name)
    const keys = [...(elements.get(name) ?? [])].filter((key) => present.has(key))
    return elementLines(
      'delete',
      table,
      name,
      keys.map((key) => mapKeyText(name, key)),
    )
  })
}

/** Lines that delete what no element of any map leads to. */
export function unusedLines(observed: NetfilterObserved): readonly string[] {
  const chains = new Map(
    skeletonChains.map((chain): [string, KernelChain] => [chainKey(chain), chain]),
  )
  const everything = new Map(
    mapNames.map((name) => [
      name,
      new Set(observedMap(observed, mapTypes[name].table, name).keys()),
    ]),
  )
  return leftoverLines(leftovers({ chains, sets: new Map() }, observed, everything))
}
