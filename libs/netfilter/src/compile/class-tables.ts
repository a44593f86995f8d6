import type { AddressFamily } from '@purlin/base'
import type { NetfilterDesired } from '../policy/desired.ts'
import { ClassNumbers } from './class-numbers.ts'
import { Classes } from './classes.ts'
import type { ClassMap, ClassView } from './ruleset.ts'
import { makeView, partOf, sameView, type ViewParts } from './views.ts'

type Members = NetfilterDesired['members']
type ClassMaps = Readonly<Record<AddressFamily, ClassMap>>
/** The groups of each view, by its key. */
export type ViewGroups = ReadonlyMap<string, readonly string[]>

/** Who is of which class, and what the lists see of it. */
export class ClassTables {
  #numbers: ClassNumbers
  readonly #families = { ipv4: new Classes('ipv4'), ipv6: new Classes('ipv6') }
  /** As they were given last. */
  #members: Members | undefined
  #named: ReadonlySet<string> = new Set()
  #wanted: ViewGroups = new Map()
  /** Views of the lists before the present ones: these decide until the turn. */
  #retired: ViewGroups = new Map()
  #views = new Map<string, ViewParts>()
  /** The classes that the views were made for. */
  #known: ReadonlySet<string> = new Set()
  #maps: ClassMaps
  #mapsAside: ClassMaps
  #membersChanged = false
  #classNumbers: ReadonlyMap<string, number>

  constructor(kept: ReadonlyMap<string, number> | undefined) {
    this.#numbers = new ClassNumbers(kept)
    this.#classNumbers = this.#numbers.snapshot()
    const ipv4 = this.#families.ipv4.map(this.#numbers)
    this.#maps = { ipv4, ipv6: this.#families.ipv6.map(this.#numbers) }
    this.#mapsAside = this.#maps
  }

  /** Takes up the numbers of classes and the views that are in force. Before the first `settle`. */
  keep(numbers: ReadonlyMap<string, number>, views: ViewGroups): void {
    this.#numbers = new ClassNumbers(numbers)
    this.#classNumbers = this.#numbers.snapshot()
    this.#wanted = views
  }

  /** Takes up which groups lists name, and who their members are. */
  settle(wanted: ViewGroups, members: Members): void {
    const isNamedAlike = wanted === this.#wanted
    if (!sameKeys(wanted, this.#wanted)) {
      this.#retired = new Map([...this.#wanted].filter(([key]) => !wanted.has(key)))
    }
    this.#wanted = wanted
    const named = isNamedAlike ? this.#named : new Set([...wanted.values()].flat())
    const former = this.#members
    const before = this.#maps
    const renamed = named !== this.#named && !sameTexts(named, this.#named)
    let after = before
    if (renamed && former !== undefined) {
      // The old members by the groups of both: what the old lists and the new ones understand.
      const both = new Set([...this.#named, ...named])
      this.#follow(both, former)
      this.#mapsAside = this.#read()
      this.#follow(both, members)
      after = this.#read()
    } else this.#mapsAside = before
    this.#follow(named, members)
    this.#maps = this.#read()
    if (!renamed) after = this.#maps
    const { ipv4, ipv6 } = this.#mapsAside
    this.#membersChanged = ipv4 !== after.ipv4 || ipv6 !== after.ipv6
    if (former === undefined) this.#mapsAside = this.#maps
    this.#named = named
    this.#members = members
  }

  partsOf(view: string): ViewParts | undefined {
    return this.#views.get(view)
  }

  /** Every view by its key; the same value as long as all of them are. */
  get views(): ReadonlyMap<string, ViewParts> {
    return this.#views
  }

  get maps(): ClassMaps {
    return this.#maps
  }

  /** The maps that the present lists and those before them both understand. */
  get mapsAside(): ClassMaps {
    return this.#mapsAside
  }

  /** Whether anybody joined or left a group, and not only groups came to be named or are no
   *  more. */
  get membersChanged(): boolean {
    return this.#membersChanged
  }

  get classNumbers(): ReadonlyMap<string, number> {
    return this.#classNumbers
  }

  /** The views of these keys, and those of the lists before. */
  viewsOf(keys: Iterable<string>): ReadonlyMap<string, ClassView> {
    const views = new Map<string, ClassView>()
    for (const key of [...keys, ...this.#retired.keys()]) {
      const found = this.#views.get(key)
      if (found !== undefined) views.set(key, found.view)
    }
    return views
  }

  #follow(named: ReadonlySet<string>, members: Members): void {
    const { ipv4, ipv6 } = this.#families
    ipv4.follow(named, members)
    ipv6.follow(named, members)
    const classes = this.#numbers.use(new Set([...named, ...ipv4.used, ...ipv6.used]))
    const views = new Map([...this.#wanted, ...this.#retired])
    if (sameTexts(classes, this.#known) && sameKeys(views, this.#views)) return
    this.#makeViews(views, classes)
  }

  #makeViews(views: ViewGroups, classes: ReadonlySet<string>): void {
    const texts = new Set(classes)
    for (const groups of views.values()) {
      const named = new Set(groups)
      for (const text of classes) {
        const part = partOf(text, named)
        if (part !== '') texts.add(part)
      }
    }
    this.#numbers.settle(texts)
    const made = new Map<string, ViewParts>()
    for (const [key, groups] of views) {
      const fresh = makeView(groups, classes, this.#numbers)
      const before = this.#views.get(key)
      const same = before !== undefined && sameView(before.view, fresh.view)
      made.set(key, same && before.text === fresh.text ? before : fresh)
    }
    this.#views = made
    this.#classNumbers = this.#numbers.snapshot()
    this.#known = classes
  }

  /** The maps as they are now; the same values where nothing has changed. */
  #read(): ClassMaps {
    const ipv4 = this.#families.ipv4.map(this.#numbers)
    const ipv6 = this.#families.ipv6.map(this.#numbers)
    const before = this.#maps
    return before.ipv4 === ipv4 && before.ipv6 === ipv6 ? before : { ipv4, ipv6 }
  }
}

function sameTexts(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  if (one.size !== other.size) return false
  for (const text of one) if (!other.has(text)) return false
  return true
}

/** Whether both have the same keys. */
export function sameKeys(
  one: ReadonlyMap<string, unknown>,
  other: ReadonlyMap<string, unknown>,
): boolean {
  if (one.size !== other.size) return false
  for (const key of one.keys()) if (!other.has(key)) return false
  return true
}
