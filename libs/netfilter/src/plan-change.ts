import { portsAsking } from './affected.ts'
import { type Difference, difference, type RetainedElements } from './apply/difference.ts'
import type { CompiledNic, CompiledRuleset } from './compile/ruleset.ts'
import type { NetfilterObserved } from './observe/observed.ts'
import {
  editedSets,
  goneSets,
  guardOf,
  listOf,
  nicElements,
  openOf,
  type Unit,
  type VariantOf,
} from './target/host-objects.ts'
import { roleOf } from './target/sets.ts'
import {
  type Chain,
  type NamedSet,
  objectKey,
  type SetElement,
  type TableObjects,
} from './target/statement.ts'

/** A rule set that was found to stand whole, and the objects that stand. */
export interface Standing {
  readonly compiled: CompiledRuleset
  readonly wanted: TableObjects
  readonly variantOf: VariantOf
  readonly chains: NetfilterObserved['chains']
  readonly sets: NetfilterObserved['sets']
}

/** A change of a rule set that stands. */
export interface PlannedChange {
  readonly wanted: TableObjects
  readonly changes: Difference
  readonly affectedPorts: readonly string[]
}

const NOTHING: RetainedElements = new Map()

/** Plans a change by what differs between two rule sets alone, so that its cost does not grow with
 *  the host. Undefined where that does not do: something else stands in the kernel, NICs come or
 *  go, a name is taken, or nothing has changed. The whole comparison says the same. Pure. */
export function planChange(
  standing: Standing,
  compiled: CompiledRuleset,
  observed: NetfilterObserved,
): PlannedChange | undefined {
  if (observed.chains !== standing.chains || observed.sets !== standing.sets) return undefined
  const turned = turnedNics(standing.compiled, compiled)
  const units = newUnits(standing.compiled, compiled)
  if (turned === undefined || units.some((unit) => isTaken(unit, observed))) return undefined
  const fresh = new Set(units.map(({ stem }) => stem))
  const variantOf: VariantOf = (stem) => (fresh.has(stem) ? 0 : standing.variantOf(stem))

  const newChains = units.flatMap(({ chains }) => chains)
  const changedSets = [
    ...units.flatMap(({ sets }) => sets),
    ...editedSets(compiled, standing.compiled),
    ...turnedSets(standing, turned, variantOf),
  ]
  if (newChains.length + changedSets.length === 0) return undefined
  const part: TableObjects = { chains: byKey(newChains), sets: byKey(changedSets) }
  const stands = new Map<string, NamedSet>()
  for (const key of part.sets.keys()) {
    const set = observed.sets.get(key)
    if (set !== undefined) stands.set(key, set)
  }
  const changes = difference(part, { ...observed, chains: new Map(), sets: stands }, NOTHING)
  return {
    wanted: wantedNow(standing, compiled, part, variantOf),
    changes,
    affectedPorts: portsOf(compiled, turned, changes),
  }
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
  const elements = new Map<string, Map<string, SetElement>>()
  for (const { nic } of turned) {
    for (const [name, element, key] of nicElements(nic, variantOf)) {
      const set = standingSet(standing, name)
      if (set?.elements.get(key) === element) continue
      const into = elements.get(name) ?? new Map(set?.elements)
      elements.set(name, into.set(key, element))
    }
  }
  return [...elements].flatMap(([name, own]) => {
    const set = standingSet(standing, name)
    return set === undefined ? [] : [{ ...set, elements: own }]
  })
}

function standingSet({ wanted }: Standing, name: string): NamedSet | undefined {
  return wanted.sets.get(`inet/${name}`) ?? wanted.sets.get(`bridge/${name}`)
}

/** The former objects with what is new, without what nothing is made of any more. */
function wantedNow(
  standing: Standing,
  compiled: CompiledRuleset,
  part: TableObjects,
  variantOf: VariantOf,
): TableObjects {
  const gone = goneUnits(standing.compiled, compiled)
  const isSame = part.chains.size + gone.length === 0
  const chains = new Map(isSame ? [] : standing.wanted.chains)
  const sets = new Map(standing.wanted.sets)
  for (const { stem, make } of gone) {
    const unit = make(variantOf(stem))
    for (const chain of unit.chains) chains.delete(objectKey(chain))
    for (const set of unit.sets) sets.delete(objectKey(set))
  }
  for (const key of goneSets(compiled, standing.compiled)) sets.delete(key)
  for (const [key, chain] of part.chains) chains.set(key, chain)
  for (const [key, set] of part.sets) sets.set(key, set)
  return { chains: isSame ? standing.wanted.chains : chains, sets }
}

interface GoneUnit {
  readonly stem: string
  make(variant: number): Unit
}

function goneUnits(before: CompiledRuleset, after: CompiledRuleset): readonly GoneUnit[] {
  const gone: GoneUnit[] = []
  if (before.lists === after.lists && before.opens === after.opens) return gone
  for (const [key, list] of before.lists) {
    if (after.lists.has(key)) continue
    gone.push({ stem: listOf(list, 0).stem, make: (variant) => listOf(list, variant) })
  }
  for (const [key, open] of before.opens) {
    if (after.opens.has(key)) continue
    gone.push({ stem: openOf(open, 0).stem, make: (variant) => openOf(open, variant) })
  }
  return gone
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
    for (const port of portsAsking(compiled, new Set(edited), classes)) ports.add(port)
  }
  return compiled.nics.flatMap(({ port }) => (ports.has(port) ? [port] : []))
}

function nameOf(key: string): string {
  return key.slice(key.indexOf('/') + 1)
}

function byKey<One extends Chain | NamedSet>(objects: readonly One[]): ReadonlyMap<string, One> {
  return new Map(objects.map((one) => [objectKey(one), one]))
}
