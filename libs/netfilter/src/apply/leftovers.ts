import type { Change } from '../netlink/index.ts'
import { type NetfilterObserved, turnElements } from '../observe/observed.ts'
import type { TableFamily } from '../target/names.ts'
import { roleOf, turnShapes } from '../target/sets.ts'
import {
  type Chain,
  chainOf,
  type NamedSet,
  objectKey,
  type SetElement,
  type Statement,
  type TableObjects,
} from '../target/statement.ts'
import type { RetainedElements } from './difference.ts'

/** Chains and sets (`TABLE/NAME`) that nothing leads to. */
export interface Leftovers {
  readonly chains: ReadonlySet<string>
  readonly sets: ReadonlySet<string>
}

/** The chains and sets that neither the rule set has nor an element that stays leads to. */
export function leftovers(
  wanted: TableObjects,
  observed: NetfilterObserved,
  retained: RetainedElements,
): Leftovers {
  const kept = keptBy(wanted, observed, retained)
  const chains = new Set<string>()
  for (const key of observed.chains.keys()) {
    if (!wanted.chains.has(key) && !kept.has(`chain ${key}`)) chains.add(key)
  }
  const sets = new Set<string>()
  for (const [key, set] of observed.sets) {
    if (wanted.sets.has(key) || roleOf(set) === 'moving') continue
    if (!kept.has(`set ${key}`)) sets.add(key)
  }
  return { chains, sets }
}

/** Changes that delete them: chains are emptied first, since they may lead to each other, and sets
 *  go before the chains that their elements lead to. A set is not emptied: the kernel would take
 *  its elements out one by one, which for port ranges costs the square of their number. */
export function leftoverChanges({ chains, sets }: Leftovers): readonly Change[] {
  return [
    ...[...chains].map((key): Change => ({ change: 'flush-chain', ...named(key) })),
    ...[...sets].map((key): Change => ({ change: 'delete-set', ...named(key) })),
    ...[...chains].map((key): Change => ({ change: 'delete-chain', ...named(key) })),
  ]
}

function named(key: string): { readonly table: TableFamily; readonly name: string } {
  const table = key.startsWith('inet/') ? 'inet' : 'bridge'
  return { table, name: key.slice(table.length + 1) }
}

/** What elements that stay lead to beside the rule set: `chain TABLE/NAME`, `set TABLE/NAME`. */
function keptBy(
  wanted: TableObjects,
  observed: NetfilterObserved,
  retained: RetainedElements,
): ReadonlySet<string> {
  const kept = new Set<string>()
  const isWanted = (key: string): boolean =>
    key.startsWith('chain ')
      ? wanted.chains.has(key.slice('chain '.length))
      : wanted.sets.has(key.slice('set '.length))
  const open: string[] = []
  for (const { table, name } of turnShapes) {
    const elements = turnElements(observed, name)
    for (const key of retained.get(name) ?? []) {
      const element = elements.get(key)
      if (element !== undefined) open.push(...targetsOfElement(table, element))
    }
  }
  for (let key = open.pop(); key !== undefined; key = open.pop()) {
    if (kept.has(key) || isWanted(key)) continue
    kept.add(key)
    open.push(...targetsOf(key, observed))
  }
  return kept
}

/** What a chain or set leads to, as `chain TABLE/NAME` and `set TABLE/NAME`. */
export function targetsOf(key: string, observed: TableObjects): readonly string[] {
  if (key.startsWith('chain ')) {
    const chain = observed.chains.get(key.slice('chain '.length))
    return chain === undefined ? [] : targetsOfChain(chain)
  }
  const set = observed.sets.get(key.slice('set '.length))
  return set === undefined ? [] : targetsOfSet(set)
}

const known = new WeakMap<Chain | NamedSet, readonly string[]>()

function targetsOfChain(chain: Chain): readonly string[] {
  const found = known.get(chain)
  if (found !== undefined) return found
  const { table, rules } = chain
  const targets = rules.flatMap(({ statements }) =>
    statements.flatMap((statement) => targetsOfStatement(table, statement)),
  )
  const unique = [...new Set(targets)]
  known.set(chain, unique)
  return unique
}

function targetsOfSet(set: NamedSet): readonly string[] {
  const found = known.get(set)
  if (found !== undefined) return found
  const { table, value, elements } = set
  const targets =
    value === 'verdict'
      ? [...elements.values()].flatMap((element) => targetsOfElement(table, element))
      : []
  const unique = [...new Set(targets)]
  known.set(set, unique)
  return unique
}

function targetsOfStatement(table: TableFamily, statement: Statement): readonly string[] {
  const set = (name: string): string => `set ${objectKey({ table, name })}`
  switch (statement.kind) {
    case 'lookup':
      return [set(statement.set)]
    case 'verdict-map':
      if (typeof statement.map === 'string') return [set(statement.map)]
      return statement.map.flatMap((element) => targetsOfElement(table, element))
    case 'set-mark':
      return typeof statement.to === 'number' ? [] : [set(statement.to.map)]
    case 'verdict': {
      const name = chainOf(statement.to)
      return name === undefined ? [] : [`chain ${objectKey({ table, name })}`]
    }
    default:
      return []
  }
}

/** The chain that an element leads to, as `chain TABLE/NAME`. */
export function targetsOfElement(table: TableFamily, { value }: SetElement): readonly string[] {
  const name = typeof value === 'object' ? chainOf(value) : undefined
  return name === undefined ? [] : [`chain ${objectKey({ table, name })}`]
}

/** Every element that leads packets to chains, as if all of them stayed. */
export function everyElement(observed: TableObjects): RetainedElements {
  return new Map(turnShapes.map(({ name }) => [name, new Set(turnElements(observed, name).keys())]))
}
