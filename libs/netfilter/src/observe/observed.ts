import { shortHash } from '@purlin/base'
import type { TableFamily } from '../target/names.ts'
import { roleOf, turnShapes } from '../target/sets.ts'
import {
  type Chain,
  type NamedSet,
  objectKey,
  type SetElement,
  type TableObjects,
} from '../target/statement.ts'
import { addChainText, elementText, ruleText, setShapeText } from '../target/text.ts'

/** What the kernel holds of our two tables. */
export interface NetfilterObserved extends TableObjects {
  /** The tables that exist. */
  readonly tables: ReadonlySet<TableFamily>
  /** What stands in them that no rule set of ours has: one text each. */
  readonly foreign: readonly string[]
  /** Chains (`TABLE/NAME`) that are no longer what they were when they were last read back. */
  readonly altered: ReadonlySet<string>
  /** Whether the file for the next boot holds this rule set, and the connections that it refuses
   *  have been ended; true where there is no such file. */
  readonly settled: boolean
}

/** Nothing of ours is in the kernel. */
export const nothingObserved: NetfilterObserved = {
  tables: new Set(),
  chains: new Map(),
  sets: new Map(),
  foreign: [],
  altered: new Set(),
  settled: true,
}

const prints = new WeakMap<Chain | NamedSet, string>()

/** One line that is equal for equal chains, whoever made the values. */
export function chainPrint(chain: Chain): string {
  const known = prints.get(chain)
  if (known !== undefined) return known
  const rules = chain.rules.map((rule) => `${rule.id} ${ruleText(rule)}`)
  const made = shortHash([addChainText(chain), ...rules].join('\n'), 16)
  prints.set(chain, made)
  return made
}

/** One hash of all that both tables hold, but for handles, counters and the moving set of loose
 *  NICs. */
export function digestOf(observed: Omit<NetfilterObserved, 'altered' | 'settled'>): string {
  const chains = [...observed.chains].map(([key, chain]) => `${key} ${chainPrint(chain)}`)
  const sets = [...observed.sets].map(([key, set]) => `${key} ${setPrint(set)}`)
  const tables = [...observed.tables].map((table) => `table ${table}`)
  const lines = [...tables, ...chains, ...sets, ...observed.foreign]
  return shortHash(lines.toSorted().join('\n'), 24)
}

function setPrint(set: NamedSet): string {
  const known = prints.get(set)
  if (known !== undefined) return known
  const shown =
    roleOf(set) === 'moving'
      ? []
      : [...set.elements.values()].map((element) => elementText(set, element)).toSorted()
  const made = shortHash(`${setShapeText(set)} ${shown.join(' ')}`, 16)
  prints.set(set, made)
  return made
}

const turnKeys = new Map(turnShapes.map((shape) => [shape.name, objectKey(shape)]))

/** The elements of one of the maps that lead packets to chains, by `elementKey`; empty where it
 *  does not exist. */
export function turnElements(observed: TableObjects, map: string): ReadonlyMap<string, SetElement> {
  return observed.sets.get(turnKeys.get(map) ?? '')?.elements ?? NONE
}

const NONE: ReadonlyMap<string, SetElement> = new Map()
