import type { MapName, TableFamily } from '../target/names.ts'

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
  /** Hash of the whole listing without handles and counters. */
  readonly digest: string
}

/** What the kernel holds of our two tables; absent: the table does not exist. */
export interface NetfilterObserved {
  readonly tables: Readonly<Record<TableFamily, ObservedTable | undefined>>
  /** Chains (`TABLE/NAME`) that are no longer what they were when they were last read back. */
  readonly altered: ReadonlySet<string>
}

/** Nothing of ours is in the kernel. */
export const nothingObserved: NetfilterObserved = {
  tables: { bridge: undefined, inet: undefined },
  altered: new Set(),
}

/** The elements of one of our maps; empty where it does not exist. */
export function observedMap(
  observed: NetfilterObserved,
  table: TableFamily,
  name: MapName,
): ReadonlyMap<string, string> {
  return observed.tables[table]?.maps.get(name) ?? new Map()
}
