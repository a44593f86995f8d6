import type { AddressFamily } from '@purlin/base'
import type { AddressInterval } from './intervals.ts'
import type { ClassMap } from './ruleset.ts'
import { addressValue } from './run-linear.ts'
import type { ViewParts } from './views.ts'

/** Where members of a list's groups lie among the addresses that the list names itself. Only there
 *  do the rules of both count for one packet, so only there does a form need a product of the
 *  two. */
export interface Meetings {
  /** The same for the same meetings; empty where there are none. */
  readonly text: string
  /** Whether an address of this part of a class lies in this interval. */
  has(part: number, interval: AddressInterval): boolean
}

/** A list without groups, or without addresses of its own. */
export const noMeetings: Meetings = { text: '', has: () => false }

/** Addresses from `first` to `last`. */
export type Range = Pick<AddressInterval, 'first' | 'last'>

interface Known {
  /** The latest for which the meetings are these. */
  classes: ClassMap['classes']
  readonly view: ViewParts
  readonly meetings: Meetings
}

const known = new WeakMap<readonly AddressInterval[], Known>()

/** Finds the meetings of a list, or gives those found before: a member that joins or leaves costs
 *  a look at its own address, unless it lies in an interval. */
export function meetingsOf(
  intervals: readonly AddressInterval[],
  view: ViewParts,
  map: ClassMap,
): Meetings {
  if (intervals.length === 0) return noMeetings
  followMembers(map)
  const before = known.get(intervals)
  if (before?.view === view && isUntouched(intervals, before.classes, map)) {
    before.classes = map.classes
    return before.meetings
  }
  const meetings = found(intervals, view, map)
  known.set(intervals, { classes: map.classes, view, meetings })
  return meetings
}

/** The addresses that any of these lists names, as disjoint ranges in order. */
export function allNamed(lists: readonly (readonly Range[])[]): readonly Range[] {
  const ranges = lists.flat().sort((a, b) => (a.first < b.first ? -1 : 1))
  const merged: Range[] = []
  for (const { first, last } of ranges) {
    const before = merged.at(-1)
    if (before === undefined || first > before.last) merged.push({ first, last })
    else if (last > before.last) merged[merged.length - 1] = { first: before.first, last }
  }
  return merged
}

/** Says that the meetings of these intervals, which were right for the classes `from`, are right
 *  for `to` as well. */
export function carryMeetings(
  intervals: readonly AddressInterval[],
  from: ClassMap['classes'],
  to: ClassMap['classes'],
): void {
  const before = known.get(intervals)
  if (before?.classes === from) before.classes = to
}

/** Whether nobody in these ranges has another class than before. */
export function isUntouched(
  intervals: readonly Range[],
  before: ClassMap['classes'],
  { family, classes, since }: ClassMap,
): boolean {
  if (before === classes) return true
  if (since?.former !== before) return false
  return since.addresses.every((address) => {
    const value = addressNumber(address, family)
    const index = firstNotBefore(intervals, value)
    const interval = intervals[index]
    return interval === undefined || value < interval.first
  })
}

function found(
  intervals: readonly AddressInterval[],
  { view, parts }: ViewParts,
  map: ClassMap,
): Meetings {
  const numbers = new Set(parts.map(({ number }) => number))
  const met = new Map<AddressInterval, Set<number>>()
  const texts: string[] = []
  const members = sortedMembers(map)
  let at = 0
  intervals.forEach((interval, index) => {
    at = firstMember(members, interval.first, at)
    const here = new Set<number>()
    for (let next = at; (members[next]?.value ?? interval.last + 1n) <= interval.last; next++) {
      const { number = 0 } = members[next] ?? {}
      const part = view.classes.get(number) ?? number
      if (numbers.has(part)) here.add(part)
    }
    if (here.size === 0) return
    met.set(interval, here)
    texts.push(`${index}:${[...here].sort((a, b) => a - b).join('+')}`)
  })
  if (met.size === 0) return noMeetings
  return { text: texts.join(','), has: (part, interval) => met.get(interval)?.has(part) ?? false }
}

interface Member {
  readonly value: bigint
  /** Its class. */
  readonly number: number
}

const sorted = new WeakMap<ClassMap['classes'], readonly Member[]>()

/** Keeps the order of the members up to date with each change, which is cheap; to put all of them
 *  in order is not. */
export function followMembers(map: ClassMap): void {
  sortedMembers(map)
}

/** Every address that has a class, in order; made from that of the former map where that is known,
 *  once a map. */
function sortedMembers({ family, classes, since }: ClassMap): readonly Member[] {
  const ready = sorted.get(classes)
  if (ready !== undefined) return ready
  const former = since && sorted.get(since.former)
  const members =
    former === undefined
      ? allMembers(classes, family)
      : changedMembers(former, classes, since, family)
  sorted.set(classes, members)
  return members
}

function allMembers(classes: ClassMap['classes'], family: AddressFamily): readonly Member[] {
  const members = [...classes].map(([text, number]) => ({
    value: addressNumber(text, family),
    number,
  }))
  return members.sort((a, b) => (a.value < b.value ? -1 : 1))
}

function changedMembers(
  former: readonly Member[],
  classes: ClassMap['classes'],
  since: ClassMap['since'],
  family: AddressFamily,
): readonly Member[] {
  const members = [...former]
  for (const address of since?.addresses ?? []) {
    const value = addressNumber(address, family)
    const number = classes.get(address)
    const at = firstMember(members, value, 0)
    const known = members[at]?.value === value ? 1 : 0
    members.splice(at, known, ...(number === undefined ? [] : [{ value, number }]))
  }
  return members
}

const values = new Map<string, bigint>()
const VALUES_MAX = 100_000

function addressNumber(text: string, family: AddressFamily): bigint {
  const ready = values.get(text)
  if (ready !== undefined) return ready
  if (values.size >= VALUES_MAX) values.clear()
  const value = addressValue(text, family)
  values.set(text, value)
  return value
}

/** Of the members from `from` on, the first that is not below `value`. */
function firstMember(members: readonly Member[], value: bigint, from: number): number {
  let low = from
  let high = members.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((members[middle]?.value ?? 0n) < value) low = middle + 1
    else high = middle
  }
  return low
}

/** The first interval that does not end before `value`. */
function firstNotBefore(intervals: readonly Range[], value: bigint): number {
  let low = 0
  let high = intervals.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((intervals[middle]?.last ?? 0n) < value) low = middle + 1
    else high = middle
  }
  return low
}
