import type { Change } from '../netlink/index.ts'
import type { NetfilterObserved } from '../observe/observed.ts'
import { OWNER_COUNTER, tableFamilies, viewMapName } from '../target/names.ts'
import { changedKeys, roleOf } from '../target/sets.ts'
import {
  type Chain,
  elementKey,
  type NamedSet,
  objectKey,
  type SetElement,
  type SetShape,
  sameValue,
  type TableObjects,
} from '../target/statement.ts'
import { chainFault, hookText } from './health.ts'
import { type Leftovers, leftoverChanges, leftovers, targetsOf } from './leftovers.ts'
import { sameShape } from './same.ts'

/** What separates the kernel from a rule set: three transactions in their order, a fourth one that
 *  may come at any time after them, and every object that is not as asked, with what is wrong.
 *  Keys of `faults`: `chain TABLE/NAME`, `set TABLE/NAME`, `map NAME KEY`, `table TABLE`. */
export interface Difference {
  /** New chains and sets that nothing leads to yet. */
  readonly aside: readonly Change[]
  /** Elements of what is in force: from here the new rules decide. */
  readonly flip: readonly Change[]
  /** Classes of addresses that only the new rules understand. */
  readonly classes: readonly Change[]
  /** Chains and sets that nothing leads to any more. */
  readonly remove: readonly Change[]
  readonly leftovers: Leftovers
  readonly faults: ReadonlyMap<string, string>
}

/** Elements of the maps that lead packets to chains which stay although the rule set does not have
 *  them, by map. */
export type RetainedElements = ReadonlyMap<string, ReadonlySet<string>>

/** The maps of classes by their keys, as they may stand before NICs are turned. */
export type ClassesAside = ReadonlyMap<string, NamedSet>

/** Compares the kernel with a rule set. Parts that are the same value on both sides cost nothing.
 *  With `classesAside` the classes of addresses change around the turn, where there is one, and
 *  without it in its transaction. Pure. */
export function difference(
  wanted: TableObjects,
  observed: NetfilterObserved,
  retained: RetainedElements,
  classesAside: ClassesAside = NO_CLASSES,
): Difference {
  const faults = new Map<string, string>()
  const aside = missingTables(observed, faults)
  const changes: Phases = { aside, flip: [], classes: [], remove: [] }
  const reshaped = reshapedSets(wanted, observed, faults)
  addChains(wanted, observed, reshaped, faults, changes)
  for (const [key, set] of wanted.sets) {
    const found = reshaped.has(key) ? undefined : observed.sets.get(key)
    if (found === set) continue
    if (found === undefined) {
      if (!observed.sets.has(key)) faults.set(`set ${key}`, 'is missing')
      changes.aside.push({ change: 'add-set', set: shapeOf(set) })
    }
    if (found !== undefined && classesAside.has(key)) continue
    changeElements(set, found, retained, faults, changes)
  }
  const turns = changes.flip.some((change) => 'set' in change && roleOf(change.set) === 'turn')
  for (const [key, between] of classesAside) {
    const [found, after] = [observed.sets.get(key), wanted.sets.get(key)]
    if (found === undefined || after === undefined || reshaped.has(key)) continue
    const [first, last] = turns
      ? [changes.aside, changes.classes]
      : ([changes.flip, changes.flip] as const)
    const middle = turns ? between : after
    for (const [before, next, into] of [
      [found, middle, first],
      [middle, after, last],
    ] as const) {
      changeElements(next, before, retained, faults, { ...changes, flip: into })
    }
  }
  addRules(wanted, faults, changes)
  const left = leftovers(wanted, observed, retained)
  changes.remove.push(...leftoverChanges(left))
  return { ...changes, leftovers: left, faults }
}

interface Phases {
  readonly aside: Change[]
  readonly flip: Change[]
  readonly classes: Change[]
  readonly remove: Change[]
}

function missingTables(observed: NetfilterObserved, faults: Map<string, string>): Change[] {
  const missing = tableFamilies.filter((table) => !observed.tables.has(table))
  return missing.flatMap((table): Change[] => {
    faults.set(`table ${table}`, 'is missing')
    return [
      { change: 'add-table', table },
      { change: 'add-counter', table, name: OWNER_COUNTER },
    ]
  })
}

/** Sets that stand as something else: they are made anew, and the chains that ask them with
 *  them. */
function reshapedSets(
  wanted: TableObjects,
  observed: NetfilterObserved,
  faults: Map<string, string>,
): ReadonlySet<string> {
  const reshaped = new Set<string>()
  for (const [key, set] of wanted.sets) {
    const found = observed.sets.get(key)
    if (found === undefined || found === set || sameShape(found, set)) continue
    reshaped.add(key)
    faults.set(`set ${key}`, 'is of another type')
  }
  if (reshaped.size === 0) return reshaped
  for (const key of observed.chains.keys()) {
    if (!wanted.chains.has(key)) continue
    const asks = targetsOf(`chain ${key}`, observed).some(
      (target) => target.startsWith('set ') && reshaped.has(target.slice('set '.length)),
    )
    if (asks) faults.set(`chain ${key}`, 'asks a set of another type')
  }
  return reshaped
}

/** Only a chain of the skeleton can be there already, since the names of all others follow from
 *  their content: it is emptied and filled in one transaction, and made anew only where somebody
 *  has attached it elsewhere. */
function addChains(
  wanted: TableObjects,
  observed: NetfilterObserved,
  reshaped: ReadonlySet<string>,
  faults: Map<string, string>,
  { aside }: Phases,
): void {
  const emptied: Change[] = []
  const made: Change[] = []
  for (const [key, chain] of wanted.chains) {
    const found = observed.chains.get(key)
    if (found === chain && !faults.has(`chain ${key}`)) continue
    const fault = chainFault(chain, observed) ?? faults.get(`chain ${key}`)
    if (fault === undefined) continue
    faults.set(`chain ${key}`, fault)
    const { table, name } = chain
    if (found !== undefined) emptied.push({ change: 'flush-chain', table, name })
    const moved = found !== undefined && hookText(found) !== hookText(chain)
    if (moved) emptied.push({ change: 'delete-chain', table, name })
    if (found === undefined || moved) made.push({ change: 'add-chain', chain: withoutRules(chain) })
  }
  for (const key of reshaped) {
    const found = observed.sets.get(key)
    if (found === undefined) continue
    const { table, name } = found
    emptied.push({ change: 'flush-set', table, name }, { change: 'delete-set', table, name })
  }
  aside.push(...emptied, ...made)
}

function addRules(wanted: TableObjects, faults: ReadonlyMap<string, string>, to: Phases): void {
  for (const key of faults.keys()) {
    const chain = key.startsWith('chain ')
      ? wanted.chains.get(key.slice('chain '.length))
      : undefined
    if (chain === undefined) continue
    const { table, name } = chain
    for (const rule of chain.rules) to.aside.push({ change: 'add-rule', table, chain: name, rule })
  }
}

/** Elements of a new set go in with it, but for those that lead packets to chains: they turn with
 *  the flip, and so does what changes in a set that stands. Only a view grows before that and
 *  shrinks after it: a packet that has its class already still looks it up there. */
function changeElements(
  set: NamedSet,
  found: NamedSet | undefined,
  retained: RetainedElements,
  faults: Map<string, string>,
  { aside, flip, remove }: Phases,
): void {
  const role = roleOf(set)
  if (role === 'moving' || set.elements === found?.elements) return
  const before = found?.elements ?? NONE
  const kept = role === 'turn' ? retained.get(set.name) : undefined
  const changed = changedKeys(set.elements, before)
  const stale: SetElement[] = []
  for (const at of changed ?? before.keys()) {
    const element = before.get(at)
    const after = set.elements.get(at)
    if (element === undefined || after === element) continue
    if (after === undefined ? kept?.has(at) === true : sameValue(element, after)) continue
    stale.push(element)
    if (role === 'turn') faults.set(`map ${set.name} ${at}`, 'is not asked for')
  }
  const fresh: SetElement[] = []
  for (const at of changed ?? set.elements.keys()) {
    const element = set.elements.get(at)
    const former = before.get(at)
    if (element === undefined || former === element) continue
    if (former !== undefined && sameValue(former, element)) continue
    fresh.push(element)
    if (role !== 'turn') continue
    faults.set(`map ${set.name} ${at}`, former === undefined ? 'is missing' : 'leads elsewhere')
  }
  if (stale.length + fresh.length === 0) return
  if (role !== 'turn' && found !== undefined) {
    faults.set(`set ${objectKey(set)}`, 'has other elements')
  }
  const isNew = found === undefined && role !== 'turn'
  const grows = set.name.startsWith(VIEW_PREFIX) && !stale.some(({ key }) => isAmong(key, fresh))
  const shape = shapeOf(set)
  if (stale.length > 0) {
    const phase = grows ? remove : flip
    phase.push({ change: 'delete-elements', set: shape, elements: stale })
  }
  if (fresh.length > 0) {
    const phase = isNew || grows ? aside : flip
    phase.push({ change: 'add-elements', set: shape, elements: fresh })
  }
}

const NO_CLASSES: ClassesAside = new Map()
const VIEW_PREFIX = viewMapName('')

function isAmong(key: SetElement['key'], elements: readonly SetElement[]): boolean {
  return elements.some((element) => elementKey(element) === elementKey({ key }))
}

const NONE: ReadonlyMap<string, SetElement> = new Map()

function withoutRules({ rules: _, ...rest }: Chain): Omit<Chain, 'rules'> {
  return rest
}

function shapeOf({ elements: _, ...shape }: NamedSet): SetShape {
  return shape
}

/** Whether nothing has to be brought about; there may be something to tidy up. */
export function isBroughtAbout({ aside, flip, classes }: Difference): boolean {
  return aside.length + flip.length + classes.length === 0
}
