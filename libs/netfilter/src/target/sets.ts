import type { AddressFamily } from '@purlin/base'
import { DECISION_BASE } from '../compile/form.ts'
import type { ClassMap, ClassView, CompiledVerdict, GroupSet } from '../compile/ruleset.ts'
import { editedMap } from '../edited-map.ts'
import { verdictElement } from './build.ts'
import { classMapName, LOOSE_SET, VERDICT_MAP, viewMapName } from './names.ts'
import {
  elementKey,
  elementsByKey,
  type NamedSet,
  only,
  type SetElement,
  type SetShape,
} from './statement.ts'
import { addressValue } from './values.ts'

/** How a set changes. `turn`: its elements decide which chains are used, so they change only once
 *  those stand. `edited`: members and classes, changed in place with the chains. `own`: part of a
 *  unit of chains, made with it and never edited. `moving`: filled by others while the host
 *  runs. */
export type SetRole = 'turn' | 'edited' | 'own' | 'moving'

const plain = { interval: false, counter: false } as const

/** The maps whose elements lead packets to chains, in the order in which they are turned. */
export const turnShapes: readonly SetShape[] = [
  { ...plain, table: 'inet', name: 'zone', key: ['mark'], value: 'verdict' },
  { ...plain, table: 'inet', name: 'open', key: ['mark'], value: 'verdict' },
  { ...plain, table: 'inet', name: 'dispatch', key: ['mark'], value: 'verdict', counter: true },
  { ...plain, table: 'bridge', name: 'guard', key: ['ifname'], value: 'verdict' },
  { ...plain, table: 'bridge', name: 'nic-mark', key: ['ifname'], value: 'mark' },
]

/** NICs whose flows may begin in the middle. */
export const looseShape: SetShape = { ...plain, table: 'inet', name: LOOSE_SET, key: ['mark'] }

/** A map from what the look-ups of a list say to verdicts. */
export const verdictShape: SetShape = {
  ...plain,
  table: 'inet',
  name: VERDICT_MAP,
  key: ['mark'],
  value: 'verdict',
}

/** Verdicts by their number. */
export const plainVerdicts: readonly CompiledVerdict[] = ['drop', 'accept']

export const plainDecisions: readonly SetElement[] = plainVerdicts.map((verdict, number) =>
  verdictElement(DECISION_BASE + number, { verdict }),
)

/** The map of lists that do not log; it never changes. Elements of look-ups hold numbers and this
 *  map the verdicts, because with each commit that adds a rule the kernel walks every element of
 *  every map that holds verdicts. */
export const verdictSet: NamedSet = { ...verdictShape, elements: elementsByKey(plainDecisions) }

/** Nothing fills it yet. */
export const looseSet: NamedSet = { ...looseShape, elements: new Map() }

const turnNames = new Set(turnShapes.map(({ name }) => name))
const EDITED = /^(?:group|class|view)-/

/** How a set of ours changes, by its name. */
export function roleOf({ name }: Pick<SetShape, 'name'>): SetRole {
  if (turnNames.has(name)) return 'turn'
  if (name === LOOSE_SET) return 'moving'
  return EDITED.test(name) ? 'edited' : 'own'
}

/** The set of a group's members. */
export function groupNamedSet({ name, family, addresses }: GroupSet): NamedSet {
  const elements = new Map(addresses.map((text) => memberElement(text)))
  return { ...plain, table: 'inet', name, key: [`${family}_addr`], elements }
}

const memberElements = new Map<string, readonly [string, SetElement]>()
const MEMBER_ELEMENTS_MAX = 65_536

/** A member's element with its key; the same value at every change, as long as not very many are
 *  asked for. */
function memberElement(text: string): readonly [string, SetElement] {
  const known = memberElements.get(text)
  if (known !== undefined) return known
  const element: SetElement = { key: [only(addressValue(text) ?? 0n)] }
  const entry = [elementKey(element), element] as const
  if (memberElements.size >= MEMBER_ELEMENTS_MAX) memberElements.clear()
  memberElements.set(text, entry)
  return entry
}

/** An empty map of classes: it stands as long as the tables do. */
export function classShape(family: AddressFamily): SetShape {
  return {
    ...plain,
    table: 'inet',
    name: classMapName(family),
    key: [`${family}_addr`],
    value: 'mark',
  }
}

/** One element of a map of classes. */
export function classElement(address: string, number: number): SetElement {
  return { key: [only(addressValue(address) ?? 0n)], value: number }
}

const classElements = new WeakMap<ClassMap['classes'], NamedSet['elements']>()

interface ElementChanges {
  /** Weak: elements that keep their former ones would keep all that ever were. */
  readonly former: WeakRef<NamedSet['elements']>
  readonly keys: readonly string[]
}

const elementChanges = new WeakMap<NamedSet['elements'], ElementChanges>()

/** The keys at which elements differ from former ones, where it is known that no others do. */
export function changedKeys(
  elements: NamedSet['elements'],
  former: NamedSet['elements'],
): readonly string[] | undefined {
  const changes = elementChanges.get(elements)
  return changes?.former.deref() === former ? changes.keys : undefined
}

/** The former elements with some in the place of theirs, or beside them. */
export function withElements(
  former: NamedSet['elements'],
  changed: NamedSet['elements'],
): NamedSet['elements'] {
  const elements = editedMap(former, changed)
  noteChanges(elements, former, changed)
  return elements
}

function noteChanges(
  elements: NamedSet['elements'],
  former: NamedSet['elements'],
  changed: ReadonlyMap<string, unknown>,
): void {
  elementChanges.set(elements, { former: new WeakRef(former), keys: [...changed.keys()] })
}

/** The map of classes. Made from the former one where little has changed since. */
export function classNamedSet({ family, classes, since }: ClassMap): NamedSet {
  const former = since && classElements.get(since.former)
  const changed = new Map<string, SetElement | undefined>()
  for (const address of former === undefined ? classes.keys() : (since?.addresses ?? [])) {
    const number = classes.get(address)
    const element = classElement(address, number ?? 0)
    changed.set(elementKey(element), number === undefined ? undefined : element)
  }
  const elements = editedMap(former ?? new Map<string, SetElement>(), changed)
  classElements.set(classes, elements)
  if (former !== undefined) noteChanges(elements, former, changed)
  return { ...classShape(family), elements }
}

export function viewNamedSet({ key, classes }: ClassView): NamedSet {
  const elements = [...classes].map(([from, to]) => ({ key: [only(from)], value: to }))
  return {
    ...plain,
    table: 'inet',
    name: viewMapName(key),
    key: ['mark'],
    value: 'mark',
    elements: elementsByKey(elements),
  }
}
