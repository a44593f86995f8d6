import { type NetfilterObserved, observedMap } from '../observe/observed.ts'
import type { KernelRuleset } from '../target/kernel-ruleset.ts'
import { mapNames, mapTypes } from '../target/names.ts'
import { targetOf } from '../target/script.ts'
import type { RetainedElements } from './difference.ts'

/** What must stay: all that the rule set has, and all that elements which stay for now lead to. */
export function reachable(
  wanted: KernelRuleset,
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
