import type { AddressFamily } from '@purlin/base'
import type { ClassMap, ClassView, GroupSet } from '../compile/ruleset.ts'
import { classMapName, LOOSE_SET, viewMapName } from './names.ts'
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

/** The map of classes. Made from the former one where little has changed since. */
export function classNamedSet({ family, classes, since }: ClassMap): NamedSet {
  const former = since && classElements.get(since.former)
  const elements = new Map(former)
  for (const address of former === undefined ? classes.keys() : (since?.addresses ?? [])) {
    const number = classes.get(address)
    const element = classElement(address, number ?? 0)
    if (number === undefined) elements.delete(elementKey(element))
    else elements.set(elementKey(element), element)
  }
  classElements.set(classes, elements)
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
