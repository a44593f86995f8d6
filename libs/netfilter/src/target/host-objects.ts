import type {
  CompiledList,
  CompiledNic,
  CompiledOpen,
  CompiledRuleset,
} from '../compile/ruleset.ts'
import { baseChains } from './base-chains.ts'
import { verdictElement } from './build.ts'
import { guardUnit } from './guard.ts'
import { listUnit, openUnit, type Unit } from './list.ts'
import { listStem, markClass, openStem } from './names.ts'
import {
  classNamedSet,
  groupNamedSet,
  looseSet,
  turnShapes,
  verdictSet,
  viewNamedSet,
} from './sets.ts'
import {
  type Chain,
  elementKey,
  type NamedSet,
  objectKey,
  only,
  type SetElement,
  type TableObjects,
  type Verdict,
} from './statement.ts'

export type { Unit } from './list.ts'

const FAMILIES = ['ipv4', 'ipv6'] as const

/** Which variant of a unit is meant; 0 where nothing stands in the way. */
export type VariantOf = (stem: string) => number

/** The variants by stem that are not 0. */
export type Variants = ReadonlyMap<string, number>

/** The variant of each unit. */
export function variantIn(variants: Variants): VariantOf {
  return (stem) => variants.get(stem) ?? 0
}

/** Every unit of a compiled rule set, in the given variant. Units of the same compiled parts are
 *  the same objects as before, so equal ones may be told by `===`. */
export function unitsOf(compiled: CompiledRuleset, variantOf: VariantOf): readonly Unit[] {
  return [
    ...[...compiled.lists.values()].map((list) => listOf(list, variantOf(listStem(list.key)))),
    ...[...compiled.opens.values()].map((open) => openOf(open, variantOf(openStem(open.key)))),
    ...compiled.nics.flatMap((nic) => [
      guardOf(nic, variantOf(guardOf(nic, 0).stem)),
      zoneOf(nic, variantOf(zoneStem(nic))),
    ]),
  ]
}

/** What both tables are to hold. Pure; what did not change since an earlier call is the same object
 *  as then. */
export function hostObjects(compiled: CompiledRuleset, variantOf: VariantOf): TableObjects {
  const chains = new Map<string, Chain>()
  const sets = new Map<string, NamedSet>()
  for (const chain of baseChains) chains.set(objectKey(chain), chain)
  for (const unit of unitsOf(compiled, variantOf)) {
    for (const chain of unit.chains) chains.set(objectKey(chain), chain)
    for (const set of unit.sets) sets.set(objectKey(set), set)
  }
  for (const set of editedSets(compiled)) sets.set(objectKey(set), set)
  for (const set of turnSets(compiled, variantOf)) sets.set(objectKey(set), set)
  for (const set of [verdictSet, looseSet]) sets.set(objectKey(set), set)
  return { chains, sets }
}

/** Members and classes, which are changed in place; with `before` those alone that it had
 *  otherwise. */
export function editedSets(
  { sets, classes, views }: CompiledRuleset,
  before?: CompiledRuleset,
): readonly NamedSet[] {
  const edited: NamedSet[] = []
  for (const [name, set] of sets) {
    if (before?.sets.get(name) !== set) edited.push(kept(set, groupNamedSet))
  }
  for (const family of FAMILIES) {
    const map = classes[family]
    if (before?.classes[family] !== map) edited.push(kept(map, classNamedSet))
  }
  for (const [key, view] of views) {
    if (before?.views.get(key) !== view) edited.push(kept(view, viewNamedSet))
  }
  return edited
}

/** The maps of classes by their keys, as they may stand until NICs are turned. */
export function classSetsAside({ classesAside }: CompiledRuleset): ReadonlyMap<string, NamedSet> {
  const sets = FAMILIES.map((family) => kept(classesAside[family], classNamedSet))
  return new Map(sets.map((set) => [objectKey(set), set]))
}

/** Keys of the sets of groups and views that `before` had and the rule set has not. */
export function goneSets(
  { sets, views }: CompiledRuleset,
  before: CompiledRuleset,
): readonly string[] {
  const gone: string[] = []
  for (const [name, set] of before.sets) {
    if (!sets.has(name)) gone.push(objectKey(kept(set, groupNamedSet)))
  }
  for (const [key, view] of before.views) {
    if (!views.has(key)) gone.push(objectKey(kept(view, viewNamedSet)))
  }
  return gone
}

/** The maps whose elements lead packets to chains. */
function turnSets(compiled: CompiledRuleset, variantOf: VariantOf): readonly NamedSet[] {
  const elements = new Map<string, Map<string, SetElement>>(
    turnShapes.map(({ name }) => [name, new Map()]),
  )
  for (const nic of compiled.nics) {
    for (const [map, element, key] of nicElements(nic, variantOf)) {
      elements.get(map)?.set(key, element)
    }
  }
  return turnShapes.map((shape) => ({ ...shape, elements: elements.get(shape.name) ?? new Map() }))
}

/** One element of a map that leads packets to a NIC's rules: the map's name, the element, its
 *  `elementKey`. */
export type NicElement = readonly [map: string, element: SetElement, key: string]

/** The elements that make a NIC's frames meet its rules. */
export function nicElements(nic: CompiledNic, variantOf: VariantOf): readonly NicElement[] {
  const { lists, opens } = nic
  const chainOf = (stem: string): string => `${stem}_${variantOf(stem)}`
  const stems = nicStems(nic)
  const said = `${nic.tap} ${nic.inner} ${nic.zone} ${stems.map(chainOf).join(' ')}`
  const known = knownElements.get(nic.ipv6)
  if (known?.said === said) return known.elements
  const [outbound, inbound] = marksOf(nic)
  const guard: Verdict = { verdict: 'jump', chain: chainOf(guardOf(nic, 0).stem) }
  const zone: Verdict = { verdict: 'goto', chain: chainOf(zoneStem(nic)) }
  const pairs: [string, SetElement][] = [
    ['guard', verdictElement(nic.tap, guard)],
    ['nic-mark', { key: [only(nic.tap)], value: outbound }],
    ['nic-mark', { key: [only(nic.inner)], value: inbound }],
    ['zone', verdictElement(outbound, zone)],
    ['zone', verdictElement(inbound, zone)],
  ]
  if (lists !== undefined && opens !== undefined) {
    // A jump, not a goto: should a list ever end without a verdict, the base chain's last rule
    // drops.
    const jump = (mark: number, stem: string): SetElement =>
      verdictElement(mark, { verdict: 'jump', chain: chainOf(stem) })
    pairs.push(
      ['open', jump(outbound, openStem(opens.outbound))],
      ['open', jump(inbound, openStem(opens.inbound))],
      ['dispatch', jump(outbound, listStem(lists.outbound))],
      ['dispatch', jump(inbound, listStem(lists.inbound))],
    )
  }
  const elements = pairs.map(([map, element]) => [map, element, elementKey(element)] as const)
  knownElements.set(nic.ipv6, { said, elements })
  return elements
}

/** By a part of the NIC that stays the same object while the NIC's own addresses do. */
const knownElements = new WeakMap<object, { said: string; elements: readonly NicElement[] }>()

/** Stems of the units that a NIC uses. */
export function nicStems(nic: CompiledNic): readonly string[] {
  const own = [guardOf(nic, 0).stem, zoneStem(nic)]
  const { lists, opens } = nic
  if (lists === undefined || opens === undefined) return own
  return [
    ...own,
    listStem(lists.inbound),
    listStem(lists.outbound),
    openStem(opens.inbound),
    openStem(opens.outbound),
  ]
}

/** The marks of a NIC's packets: from the machine, and to it. */
export function marksOf(nic: CompiledNic): readonly [number, number] {
  return nic.lists === undefined
    ? [markClass.unfilteredOutbound + nic.zone, markClass.unfilteredInbound + nic.zone]
    : [markClass.outbound + nic.zone, markClass.inbound + nic.zone]
}

function zoneStem({ zone }: CompiledNic): string {
  return `zone-${zone}`
}

function zoneUnit(nic: CompiledNic, variant: number): Unit {
  const stem = zoneStem(nic)
  const rules = [{ id: 'zone/set', statements: [{ kind: 'set-zone', zone: nic.zone } as const] }]
  return { stem, chains: [{ table: 'inet', name: `${stem}_${variant}`, rules }], sets: [] }
}

/** The unit of a list in a variant. */
export const listOf = remembered<CompiledList>(listUnit)
/** The unit of what passes by itself, in a variant. */
export const openOf = remembered<CompiledOpen>(openUnit)

/** A NIC becomes another object whenever its lists do; its guard follows from the rest. */
export function guardOf(nic: CompiledNic, variant: number): Unit {
  const known = knownGuards.get(nic.ipv6)
  const own = known !== undefined && sameGuard(known, nic) ? known : nic
  knownGuards.set(nic.ipv6, own)
  return guardOfNic(own, variant)
}

const knownGuards = new WeakMap<object, CompiledNic>()
const guardOfNic = remembered<CompiledNic>(guardUnit)

function sameGuard(one: CompiledNic, other: CompiledNic): boolean {
  return (
    one.port === other.port &&
    one.mac === other.mac &&
    one.ipv4 === other.ipv4 &&
    one.guards === other.guards &&
    one.allowedMacs === other.allowedMacs &&
    one.allowedRanges === other.allowedRanges
  )
}

const zoneUnits = new Map<string, Unit>()

function zoneOf(nic: CompiledNic, variant: number): Unit {
  const key = `${nic.zone} ${variant}`
  const unit = zoneUnits.get(key) ?? zoneUnit(nic, variant)
  zoneUnits.set(key, unit)
  return unit
}

/** Makes each part's unit once for each variant. */
function remembered<Part extends object>(
  make: (part: Part, variant: number) => Unit,
): (part: Part, variant: number) => Unit {
  const known = new WeakMap<Part, Map<number, Unit>>()
  return (part, variant) => {
    const variants = known.get(part) ?? new Map<number, Unit>()
    known.set(part, variants)
    const unit = variants.get(variant) ?? make(part, variant)
    variants.set(variant, unit)
    return unit
  }
}

const keptSets = new WeakMap<object, NamedSet>()

function kept<Part extends object>(part: Part, make: (part: Part) => NamedSet): NamedSet {
  const known = keptSets.get(part)
  if (known !== undefined) return known
  const made = make(part)
  keptSets.set(part, made)
  return made
}
