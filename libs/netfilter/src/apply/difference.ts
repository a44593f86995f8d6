import { type NetfilterObserved, observedMap } from '../observe/observed.ts'
import { chainKey, type KernelChain, type KernelRuleset } from '../target/kernel-ruleset.ts'
import {
  LOOSE_SET,
  type MapName,
  mapNames,
  mapTypes,
  TABLE_NAME,
  tableFamilies,
} from '../target/names.ts'
import {
  addChainLine,
  addSetLine,
  elementLines,
  mapKeyText,
  ruleLines,
  tableLines,
} from '../target/script.ts'
import { chainFault, hookText, observedChain } from './health.ts'
import { type Leftovers, leftovers } from './leftovers.ts'

/** What separates the kernel from a rule set: the lines of two transactions, what a third
 *  deletes, and every object that is not as asked, with what is wrong. Keys of `faults`: `chain
 *  TABLE/NAME`, `set NAME`, `map NAME KEY`, `table TABLE`. */
export interface Difference {
  /** Groups' members, and new chains that nothing leads to yet. */
  readonly aside: readonly string[]
  /** Elements of the maps: from here the new rules decide. */
  readonly flip: readonly string[]
  /** Chains and sets that nothing leads to any more. */
  readonly remove: Leftovers
  readonly faults: ReadonlyMap<string, string>
}

/** Map elements that stay although the rule set does not have them, by map. */
export type RetainedElements = ReadonlyMap<MapName, ReadonlySet<string>>

/** Compares the kernel with a rule set. Pure. */
export function difference(
  wanted: KernelRuleset,
  observed: NetfilterObserved,
  retained: RetainedElements,
): Difference {
  const faults = new Map<string, string>()
  const aside = [
    ...missingTables(observed, faults),
    ...setChanges(wanted, observed, faults),
    ...chainChanges(wanted, observed, faults),
  ]
  const flip = mapNames.flatMap((name) => mapChanges(name, wanted, observed, retained, faults))
  const remove = leftovers(wanted, observed, retained)
  return { aside, flip, remove, faults }
}

function missingTables(
  observed: NetfilterObserved,
  faults: Map<string, string>,
): readonly string[] {
  return tableFamilies.flatMap((table) => {
    const found = observed.tables[table]
    const complete =
      found !== undefined &&
      mapNames.every((name) => mapTypes[name].table !== table || found.maps.has(name)) &&
      (table === 'bridge' || found.sets.has(LOOSE_SET))
    if (complete) return []
    faults.set(`table ${table}`, found === undefined ? 'is missing' : 'lacks a map')
    return tableLines(table)
  })
}

function setChanges(
  wanted: KernelRuleset,
  observed: NetfilterObserved,
  faults: Map<string, string>,
): readonly string[] {
  return [...wanted.sets].flatMap(([name, set]) => {
    const found = observed.tables.inet?.sets.get(name)
    const before = new Set(found ?? [])
    const after = new Set(set.elements)
    const joining = set.elements.filter((element) => !before.has(element))
    const leaving = [...before].filter((element) => !after.has(element))
    if (found !== undefined && joining.length + leaving.length === 0) return []
    faults.set(`set ${name}`, found === undefined ? 'is missing' : 'has other members')
    return [
      ...(found === undefined ? [addSetLine(name, set.family)] : []),
      ...elementLines('delete', 'inet', name, leaving),
      ...elementLines('add', 'inet', name, joining),
    ]
  })
}

function chainChanges(
  wanted: KernelRuleset,
  observed: NetfilterObserved,
  faults: Map<string, string>,
): readonly string[] {
  const lines: string[] = []
  const rules: string[] = []
  for (const chain of wanted.chains.values()) {
    const fault = chainFault(chain, observed)
    if (fault === undefined) continue
    faults.set(`chain ${chainKey(chain)}`, fault)
    lines.push(...emptyChain(chain, observed))
    rules.push(...ruleLines(chain))
  }
  return [...lines, ...rules]
}

/** Lines after which the chain stands without rules. Only a chain of the skeleton can be there
 *  already: it is emptied and filled in one transaction, and made anew only where somebody has
 *  attached it elsewhere. */
function emptyChain(chain: KernelChain, observed: NetfilterObserved): readonly string[] {
  const found = observedChain(chain, observed)
  const place = `chain ${chain.table} ${TABLE_NAME} ${chain.name}`
  if (found === undefined) return [addChainLine(chain)]
  const flush = `flush ${place}`
  return found.hook === hookText(chain) ? [flush] : [flush, `delete ${place}`, addChainLine(chain)]
}

function mapChanges(
  name: MapName,
  wanted: KernelRuleset,
  observed: NetfilterObserved,
  retained: RetainedElements,
  faults: Map<string, string>,
): readonly string[] {
  const table = mapTypes[name].table
  const before = observedMap(observed, table, name)
  const after = wanted.maps[name]
  const stale = [...before].filter(([key, value]) => {
    return after.get(key) !== value && !(retained.get(name)?.has(key) && !after.has(key))
  })
  const fresh = [...after].filter(([key, value]) => before.get(key) !== value)
  for (const [key] of stale) faults.set(`map ${name} ${key}`, 'is not asked for')
  for (const [key] of fresh) {
    faults.set(`map ${name} ${key}`, before.has(key) ? 'leads elsewhere' : 'is missing')
  }
  return [
    ...elementLines(
      'delete',
      table,
      name,
      stale.map(([key]) => mapKeyText(name, key)),
    ),
    ...elementLines(
      'add',
      table,
      name,
      fresh.map(([key, value]) => `${mapKeyText(name, key)} : ${value}`),
    ),
  ]
}

/** Whether nothing separates them. */
export function isEmpty(changes: Difference): boolean {
  const { aside, flip, remove } = changes
  return aside.length + flip.length + remove.chains.size + remove.sets.size === 0
}
