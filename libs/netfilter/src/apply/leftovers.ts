import { type NetfilterObserved, observedMap } from '../observe/observed.ts'
import type { KernelRuleset } from '../target/kernel-ruleset.ts'
import { LOOSE_SET, mapNames, mapTypes, TABLE_NAME, tableFamilies } from '../target/names.ts'
import { targetOf } from '../target/script.ts'
import type { RetainedElements } from './difference.ts'

type Kept = Pick<KernelRuleset, 'chains' | 'sets'>

/** Chains (`TABLE/NAME`) and sets that nothing leads to. */
export interface Leftovers {
  readonly chains: ReadonlySet<string>
  readonly sets: ReadonlySet<string>
}

/** The chains and sets that neither the rule set has nor an element that stays leads to. */
export function leftovers(
  wanted: Kept,
  observed: NetfilterObserved,
  retained: RetainedElements,
): Leftovers {
  const kept = reachable(wanted, observed, retained)
  const chains = tableFamilies.flatMap((table) => [
    ...(observed.tables[table]?.chains.keys() ?? []),
  ])
  const sets = [...(observed.tables.inet?.sets.keys() ?? [])]
  return {
    chains: new Set(chains.filter((key) => !kept.chains.has(key))),
    sets: new Set(sets.filter((name) => name !== LOOSE_SET && !kept.sets.has(name))),
  }
}

/** Lines that delete them. Chains are emptied first, since they may lead to each other. */
export function leftoverLines({ chains, sets }: Leftovers): readonly string[] {
  const places = [...chains].map((key) => key.replace('/', ` ${TABLE_NAME} `))
  return [
    ...places.map((place) => `flush chain ${place}`),
    ...places.map((place) => `delete chain ${place}`),
    ...[...sets].map((name) => `delete set inet ${TABLE_NAME} ${name}`),
  ]
}

function reachable(
  wanted: Kept,
  observed: NetfilterObserved,
  retained: RetainedElements,
): { readonly chains: ReadonlySet<string>; readonly sets: ReadonlySet<string> } {
  const chains = new Set(wanted.chains.keys())
  const sets = new Set(wanted.sets.keys())
  const open: string[] = []
  for (const name of mapNames) {
    const elements = observedMap(observed, mapTypes[name].table, name)
    for (const key of retained.get(name) ?? []) {
      const target = targetOf(name, elements.get(key) ?? '')
      if (target !== undefined) open.push(target)
    }
  }
  for (let key = open.pop(); key !== undefined; key = open.pop()) {
    if (chains.has(key)) continue
    chains.add(key)
    const table = key.startsWith('inet/') ? 'inet' : 'bridge'
    for (const reference of observed.tables[table]?.chains.get(key)?.references ?? []) {
      if (reference.includes('/')) open.push(reference)
      else sets.add(reference)
    }
  }
  return { chains, sets }
}
