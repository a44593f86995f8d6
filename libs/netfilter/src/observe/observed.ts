import { shortHash } from '@purlin/base'
import { LOOSE_SET, type MapName, type TableFamily, tableFamilies } from '../target/names.ts'

/** A chain as the kernel holds it. */
export interface ObservedChain {
  readonly table: TableFamily
  readonly name: string
  /** `HOOK PRIORITY POLICY` of a base chain. */
  readonly hook: string | undefined
  /** The rules' comments in order; empty for a rule without one. */
  readonly ruleIds: readonly string[]
  /** Hash of the chain's hook and rules without handles and counters. */
  readonly fingerprint: string
  /** Chains (`TABLE/NAME`) and sets (by name) that its rules lead to. */
  readonly references: readonly string[]
}

export interface ObservedTable {
  /** Whether it carries our mark. */
  readonly owned: boolean
  readonly chains: ReadonlyMap<string, ObservedChain>
  /** Named sets with their elements in order. */
  readonly sets: ReadonlyMap<string, readonly string[]>
  readonly maps: ReadonlyMap<string, ReadonlyMap<string, string>>
  /** Every other object, and what sets and maps are apart from their elements: one text each. */
  readonly others: readonly string[]
}

/** What the kernel holds of our two tables; absent: the table does not exist. */
export interface NetfilterObserved {
  readonly tables: Readonly<Record<TableFamily, ObservedTable | undefined>>
  /** Chains (`TABLE/NAME`) that are no longer what they were when they were last read back. */
  readonly altered: ReadonlySet<string>
  /** Whether the file for the next boot holds this rule set; true where there is no such file. */
  readonly saved: boolean
}

/** Nothing of ours is in the kernel. */
export const nothingObserved: NetfilterObserved = {
  tables: { bridge: undefined, inet: undefined },
  altered: new Set(),
  saved: true,
}

/** One hash of all that both tables hold, but for handles, counters and the moving set of loose
 *  NICs. */
export function digestOf(tables: NetfilterObserved['tables']): string {
  const lines = tableFamilies.flatMap((table) => {
    const found = tables[table]
    if (found === undefined) return [`no ${table}`]
    return [
      ...[...found.chains].map(([key, chain]) => `${key} ${chain.fingerprint}`),
      ...[...found.sets].map(([name, elements]) =>
        name === LOOSE_SET ? name : `${name} ${elements.join(' ')}`,
      ),
      ...[...found.maps].flatMap(([name, elements]) =>
        [...elements].map(([key, value]) => `${name} ${key} ${value}`),
      ),
      ...found.others,
    ]
  })
  return shortHash(lines.toSorted().join('\n'), 24)
}

/** The tables without some chains (`TABLE/NAME`) and sets: what is left after their deletion. */
export function withoutObjects(
  tables: NetfilterObserved['tables'],
  gone: { readonly chains: ReadonlySet<string>; readonly sets: ReadonlySet<string> },
): NetfilterObserved['tables'] {
  const reduced = (table: ObservedTable | undefined): ObservedTable | undefined =>
    table && {
      ...table,
      chains: new Map([...table.chains].filter(([key]) => !gone.chains.has(key))),
      sets: new Map([...table.sets].filter(([name]) => !gone.sets.has(name))),
      others: table.others.filter((text) => ![...gone.sets].some((name) => isOfSet(text, name))),
    }
  return { bridge: reduced(tables.bridge), inet: reduced(tables.inet) }
}

function isOfSet(text: string, name: string): boolean {
  return text.startsWith('set ') && text.includes(`"name":"${name}"`)
}

/** The elements of one of our maps; empty where it does not exist. */
export function observedMap(
  observed: NetfilterObserved,
  table: TableFamily,
  name: MapName,
): ReadonlyMap<string, string> {
  return observed.tables[table]?.maps.get(name) ?? new Map()
}
