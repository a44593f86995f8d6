import { portsAsking } from './affected.ts'
import type { ChangedSets } from './apply/applied.ts'
import {
  type ClassesAside,
  type Difference,
  difference,
  type RetainedElements,
} from './apply/difference.ts'
import type { Leftovers } from './apply/leftovers.ts'
import type { CompiledNic, CompiledRuleset } from './compile/ruleset.ts'
import { editedMap } from './edited-map.ts'
import type { NetfilterObserved } from './observe/observed.ts'
import {
  classSetsAside,
  editedSets,
  goneSets,
  guardOf,
  listOf,
  nicElements,
  openOf,
  type Unit,
  type VariantOf,
  type Variants,
  variantIn,
} from './target/host-objects.ts'
import { roleOf, withElements } from './target/sets.ts'
import {
  type Chain,
  type NamedSet,
  objectKey,
  type SetElement,
  sameValue,
  type TableObjects,
} from './target/statement.ts'

/** A rule set that was found to stand whole, and the objects that stand. */
export interface Standing {
  readonly compiled: CompiledRuleset
  readonly wanted: TableObjects
  readonly variants: Variants
  readonly chains: NetfilterObserved['chains']
  readonly sets: NetfilterObserved['sets']
  /** Whether nothing stood beside it. */
  readonly isTidy: boolean
}

/** A change of a rule set that stands. */
export interface PlannedChange {
  readonly wanted: TableObjects
  readonly changed: ChangedSets
  readonly changes: Difference
  readonly affectedPorts: readonly string[]
  readonly variants: Variants
  /** What is left over after it, beside what was before. */
  readonly leftovers: Leftovers
}

const NOTHING: RetainedElements = new Map()

/** Plans a change by what differs between two rule sets alone, so that its cost does not grow with
 *  the host. Undefined where that does not do: NICs come or go, a name is taken, or nothing has
 *  changed. The whole comparison says the same. Pure. */
export function planChange(
  standing: Standing,
  compiled: CompiledRuleset,
  observed: NetfilterObserved,
): PlannedChange | undefined {
  const turned = turnedNics(standing.compiled, compiled)
  const units = newUnits(standing.compiled, compiled)
  if (turned === undefined || units.some((unit) => isTaken(unit, observed))) return undefined
  const variants = withoutStems(
    standing.variants,
    units.map(({ stem }) => stem),
  )

  const newChains = units.flatMap(({ chains }) => chains)
  const changedSets = [
    ...units.flatMap(({ sets }) => sets),
    ...editedSets(compiled, standing.compiled),
    ...turnedSets(standing, turned, variantIn(variants)),
  ]
  if (newChains.length + changedSets.length === 0) return undefined
  const part: TableObjects = { chains: byKey(newChains), sets: byKey(changedSets) }
  const stands = new Map<string, NamedSet>()
  for (const key of part.sets.keys()) {
    const set = observed.sets.get(key)
    if (set !== undefined) stands.set(key, set)
  }
  const onlyThese = { ...observed, chains: new Map(), sets: stands }
  const changes = difference(part, onlyThese, NOTHING, asideAfter(standing, compiled))
  const gone = goneObjects(standing, compiled)
  const isReplaced = gone.chains.size + gone.sets.size + changes.remove.length > 0
  const isAlone = standing.isTidy && !isReplaced
  return {
    wanted: wantedNow(standing, part, gone),
    changed: { sets: part.sets, isAlone },
    changes,
    affectedPorts: portsOf(compiled, turned, changes),
    variants,
    leftovers: gone,
  }
}

/** The variants of what stands without those of new units, of which nothing stands. */
function withoutStems(variants: Variants, stems: readonly string[]): Variants {
  if (!stems.some((stem) => variants.has(stem))) return variants
  const others = new Map(variants)
  for (const stem of stems) others.delete(stem)
  return others
}

/** Whether what was found to stand is what stands now. */
export function stillStands(standing: Standing, { chains, sets }: NetfilterObserved): boolean {
  return chains === standing.chains && sets === standing.sets
}

/** The maps of classes for the time of the turn from what stands, where that is what they are
 *  for. */
export function asideAfter(
  { compiled: before }: Standing,
  compiled: CompiledRuleset,
): ClassesAside | undefined {
  const { asideOf } = compiled
  const isAfter = asideOf?.lists === before.lists && asideOf.classes === before.classes
  return isAfter ? classSetsAside(compiled) : undefined
}

/** Whether two compiled rule sets are one. */
export function isSameRuleset(one: CompiledRuleset, other: CompiledRuleset): boolean {
  return (
    one.nics === other.nics &&
    one.lists === other.lists &&
    one.opens === other.opens &&
    one.classes.ipv4 === other.classes.ipv4 &&
    one.classes.ipv6 === other.classes.ipv6 &&
    sameEntries(one.sets, other.sets) &&
    sameEntries(one.views, other.views)
  )
}

function sameEntries<Value>(
  one: ReadonlyMap<string, Value>,
  other: ReadonlyMap<string, Value>,
): boolean {
  if (one.size !== other.size) return false
  for (const [key, value] of one) if (other.get(key) !== value) return false
  return true
}

interface TurnedNic {
  readonly before: CompiledNic
  readonly nic: CompiledNic
}

/** The NICs that are led to other lists; undefined where NICs differ in more than that. */
function turnedNics(
  before: CompiledRuleset,
  after: CompiledRuleset,
): readonly TurnedNic[] | undefined {
  const turned: TurnedNic[] = []
  if (before.nics === after.nics) return turned
  if (before.nics.length !== after.nics.length) return undefined
  for (const [index, nic] of after.nics.entries()) {
    const former = before.nics[index]
    if (former === nic) continue
    if (former === undefined || !isSamePath(former, nic)) return undefined
    turned.push({ before: former, nic })
  }
  return turned
}

function isSamePath(one: CompiledNic, other: CompiledNic): boolean {
  return (
    one.port === other.port &&
    one.tap === other.tap &&
    one.inner === other.inner &&
    one.zone === other.zone &&
    (one.lists === undefined) === (other.lists === undefined) &&
    guardOf(one, 0) === guardOf(other, 0)
  )
}

function newUnits(before: CompiledRuleset, after: CompiledRuleset): readonly Unit[] {
  const units: Unit[] = []
  if (before.lists === after.lists && before.opens === after.opens) return units
  for (const [key, list] of after.lists) if (!before.lists.has(key)) units.push(listOf(list, 0))
  for (const [key, open] of after.opens) if (!before.opens.has(key)) units.push(openOf(open, 0))
  return units
}

function isTaken({ chains, sets }: Unit, observed: NetfilterObserved): boolean {
  return (
    chains.some((chain) => observed.chains.has(objectKey(chain))) ||
    sets.some((set) => observed.sets.has(objectKey(set)))
  )
}

/** The maps that lead packets to chains, with the elements of these NICs turned. */
function turnedSets(
  standing: Standing,
  turned: readonly TurnedNic[],
  variantOf: VariantOf,
): readonly NamedSet[] {
  const changed = new Map<string, Map<string, SetElement>>()
  for (const { nic } of turned) {
    for (const [name, element, key] of nicElements(nic, variantOf)) {
      const former = standingSet(standing, name)?.elements.get(key)
      if (former !== undefined && sameValue(former, element)) continue
      changed.set(name, (changed.get(name) ?? new Map()).set(key, element))
    }
  }
  return [...changed].flatMap(([name, own]) => {
    const set = standingSet(standing, name)
    return set === undefined ? [] : [{ ...set, elements: withElements(set.elements, own) }]
  })
}

function standingSet({ wanted }: Standing, name: string): NamedSet | undefined {
  return wanted.sets.get(`inet/${name}`) ?? wanted.sets.get(`bridge/${name}`)
}

/** The former objects with what is new, without what nothing is made of any more. */
function wantedNow(standing: Standing, part: TableObjects, gone: Leftovers): TableObjects {
  const isSame = part.chains.size + gone.chains.size === 0
  const { chains, sets } = standing.wanted
  return {
    chains: isSame ? chains : editedMap(chains, [...goneFrom(gone.chains), ...part.chains]),
    sets: editedMap(sets, [...goneFrom(gone.sets), ...part.sets]),
  }
}

function goneFrom(keys: ReadonlySet<string>): readonly (readonly [string, undefined])[] {
  return [...keys].map((key) => [key, undefined])
}

/** The keys of what nothing is made of any more. */
function goneObjects({ compiled: before, variants }: Standing, after: CompiledRuleset): Leftovers {
  const variantOf = variantIn(variants)
  const chains = new Set<string>()
  const sets = new Set(goneSets(after, before))
  const add = (unit: Unit): void => {
    for (const chain of unit.chains) chains.add(objectKey(chain))
    for (const set of unit.sets) sets.add(objectKey(set))
  }
  if (before.lists === after.lists && before.opens === after.opens) return { chains, sets }
  for (const [key, list] of before.lists) {
    if (!after.lists.has(key)) add(listOf(list, variantOf(listOf(list, 0).stem)))
  }
  for (const [key, open] of before.opens) {
    if (!after.opens.has(key)) add(openOf(open, variantOf(openOf(open, 0).stem)))
  }
  return { chains, sets }
}

/** The NICs that are turned, and those whose lists ask a set that changes. */
function portsOf(
  compiled: CompiledRuleset,
  turned: readonly TurnedNic[],
  changes: Difference,
): readonly string[] {
  const ports = new Set(turned.map(({ nic }) => nic.port))
  const names = [...changes.faults.keys()].filter((key) => key.startsWith('set ')).map(nameOf)
  const edited = names.filter((name) => roleOf({ name }) === 'edited')
  if (edited.length > 0) {
    const classes = edited.some((name) => name.startsWith('class-'))
    const named = new Set(edited.filter((name) => !name.startsWith('class-')))
    for (const port of portsAsking(compiled, named, classes)) ports.add(port)
  }
  if (ports.size === 0) return []
  return compiled.nics.flatMap(({ port }) => (ports.has(port) ? [port] : []))
}

function nameOf(key: string): string {
  return key.slice(key.indexOf('/') + 1)
}

function byKey<One extends Chain | NamedSet>(objects: readonly One[]): ReadonlyMap<string, One> {
  return new Map(objects.map((one) => [objectKey(one), one]))
}
