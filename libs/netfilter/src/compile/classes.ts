import type { AddressFamily } from '@purlin/base'
import { editedMap } from '../edited-map.ts'
import type { MemberAddresses, NetfilterDesired } from '../policy/desired.ts'
import { usualText } from '../policy/usual-text.ts'
import { type ClassNumbers, classText } from './class-numbers.ts'
import type { ClassMap } from './ruleset.ts'

const NOBODY: readonly MemberAddresses[] = []

/** Beyond so many changes at once a map is made anew rather than from the former one. */
const CHANGES_MAX = 256

/** Which groups each address is a member of, and the class that follows. It follows changes of
 *  members group by group, so that one that joins costs a look at that group alone. */
export class Classes {
  readonly #family: AddressFamily
  /** Members as they were taken up last, by group. */
  readonly #taken = new Map<string, readonly MemberAddresses[]>()
  /** How many members of a group have an address, by group and address. */
  readonly #addresses = new Map<string, Map<string, number>>()
  readonly #groups = new Map<string, Set<string>>()
  readonly #texts = new Map<string, string>()
  /** How many addresses are of a class. */
  readonly #uses = new Map<string, number>()
  #changed = new Set<string>()
  #map: ClassMap

  constructor(family: AddressFamily) {
    this.#family = family
    this.#map = { family, classes: new Map(), since: undefined }
  }

  /** Takes up the members of the groups that count. */
  follow(named: ReadonlySet<string>, members: NetfilterDesired['members']): void {
    for (const group of this.#taken.keys()) {
      if (!named.has(group)) {
        this.#take(group, [])
        this.#taken.delete(group)
      }
    }
    for (const group of named) this.#take(group, members.get(group) ?? NOBODY)
  }

  /** The classes that some address is of. */
  get used(): ReadonlySet<string> {
    return new Set(this.#uses.keys())
  }

  /** The map as it is now; the same value where nothing has changed. */
  map(numbers: ClassNumbers): ClassMap {
    if (this.#changed.size === 0) return this.#map
    const former = this.#map
    const classes = editedMap(
      former.classes,
      [...this.#changed].map((address) => {
        const text = this.#texts.get(address)
        return [address, text === undefined ? undefined : numbers.numberOf(text)]
      }),
    )
    const few = this.#changed.size <= CHANGES_MAX && former.classes.size > 0
    const since = few ? { former: former.classes, addresses: [...this.#changed] } : undefined
    this.#map = { family: this.#family, classes, since }
    this.#changed = new Set()
    return this.#map
  }

  /** Looks only at members between the first and the last one that changed. */
  #take(group: string, now: readonly MemberAddresses[]): void {
    const before = this.#taken.get(group) ?? NOBODY
    this.#taken.set(group, now)
    if (now === before) return
    const same = (one: MemberAddresses | undefined, other: MemberAddresses | undefined): boolean =>
      one !== undefined &&
      (one === other || (other !== undefined && sameTexts(one, other, this.#family)))
    let start = 0
    while (same(now[start], before[start])) start++
    let end = 0
    const shorter = Math.min(now.length, before.length) - start
    while (end < shorter && same(now[now.length - 1 - end], before[before.length - 1 - end])) end++
    const counts = this.#addresses.get(group) ?? new Map<string, number>()
    this.#addresses.set(group, counts)
    const touched = new Map<string, boolean>()
    const add = (some: readonly MemberAddresses[], by: 1 | -1): void => {
      for (const text of some.flatMap((member) => member[this.#family])) {
        const address = usualText(text)
        const count = counts.get(address) ?? 0
        if (!touched.has(address)) touched.set(address, count > 0)
        counts.set(address, count + by)
      }
    }
    add(now.slice(start, now.length - end), 1)
    add(before.slice(start, before.length - end), -1)
    for (const [address, was] of touched) {
      const is = (counts.get(address) ?? 0) > 0
      if (!is) counts.delete(address)
      if (is !== was) this.#change(address, group, is)
    }
  }

  #change(address: string, group: string, joins: boolean): void {
    const groups = this.#groups.get(address) ?? new Set<string>()
    if (joins) groups.add(group)
    else groups.delete(group)
    this.#count(this.#texts.get(address), -1)
    this.#changed.add(address)
    if (groups.size === 0) {
      this.#groups.delete(address)
      this.#texts.delete(address)
      return
    }
    const text = classText([...groups])
    this.#groups.set(address, groups)
    this.#texts.set(address, text)
    this.#count(text, 1)
  }

  #count(text: string | undefined, by: 1 | -1): void {
    if (text === undefined) return
    const uses = (this.#uses.get(text) ?? 0) + by
    if (uses === 0) this.#uses.delete(text)
    else this.#uses.set(text, uses)
  }
}

/** Whether the members are the same in one family, told by their texts. */
export function sameMembers(
  one: readonly MemberAddresses[] | undefined,
  other: readonly MemberAddresses[] | undefined,
  family: AddressFamily,
): boolean {
  if (one === other) return true
  if (one === undefined || other === undefined || one.length !== other.length) return false
  return one.every((member, index) => {
    const twin = other[index]
    return twin !== undefined && sameTexts(member, twin, family)
  })
}

function sameTexts(one: MemberAddresses, other: MemberAddresses, family: AddressFamily): boolean {
  const texts = one[family]
  const others = other[family]
  if (texts === others) return true
  return texts.length === others.length && texts.every((text, at) => text === others[at])
}
