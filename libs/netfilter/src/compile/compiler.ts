import { type AddressFamily, shortHash } from '@purlin/base'
import type { SecurityGroupSpec } from '@purlin/schema'
import { flatten } from '../flatten.ts'
import { checkDesired } from '../policy/check.ts'
import type { Direction, FilteredNic, NetfilterDesired } from '../policy/desired.ts'
import { ClassTables, type ViewGroups } from './class-tables.ts'
import { type Draft, draftOf } from './draft.ts'
import type { CompiledForm } from './form.ts'
import { GroupSets } from './group-sets.ts'
import { compileIdentity } from './identity.ts'
import type { AddressInterval } from './intervals.ts'
import { compileLinear } from './linear.ts'
import {
  allNamed,
  carryMeetings,
  followMembers,
  isUntouched,
  type Meetings,
  meetingsOf,
  noMeetings,
  type Range,
} from './meetings.ts'
import { compileNic, sameNic } from './nic.ts'
import { compileOpen } from './open.ts'
import type { CompiledList, CompiledOpen, CompiledRuleset, KeptClasses } from './ruleset.ts'
import type { ViewParts } from './views.ts'

/** Part of every list's key: a release that compiles otherwise makes other lists. */
const RELEASE = 'form-4'

const FAMILIES: readonly AddressFamily[] = ['ipv4', 'ipv6']

export interface CompilerOptions {
  /** Which form lists take: the cheaper one by what was measured (the default), or always one. A
   *  list too wide for the identity form is linear all the same. */
  readonly form?: 'measured' | 'linear' | 'identity'
  /** Numbers to keep: `classNumbers` of the rule set that is in force. */
  readonly classNumbers?: ReadonlyMap<string, number>
  /** The seam to the meaning of a NIC's groups. */
  readonly flatten?: typeof flatten
}

/** Compiles the policy of a host again and again, and works out only what has changed. The result
 *  follows from the desired state and the class numbers kept; what did not change is the same
 *  value as before. That groups and members that did not change are the same values is not needed
 *  but makes it fast. */
export class Compiler {
  readonly #options: CompilerOptions
  readonly #tables: ClassTables
  readonly #sets = new GroupSets()
  #nics = new Map<string, FilteredNic>()
  /** NICs as they were given last, and the values that stand for them. */
  #given: { readonly nics: readonly FilteredNic[]; readonly same: readonly FilteredNic[] } = {
    nics: [],
    same: [],
  }
  /** What the drafts were made of. */
  #drafted: Drafted | undefined
  #drafts: ReadonlyMap<string, Draft> = new Map()
  /** By content. */
  #lists: ReadonlyMap<string, CompiledList> = new Map()
  readonly #contents = new WeakMap<
    Draft,
    { readonly ipv4: string; readonly ipv6: string; readonly content: string }
  >()
  #listed: Listed | undefined
  #opens = new Map<string, CompiledOpen>()
  #paths: Paths | undefined
  #views: { readonly of: ReadonlyMap<string, Draft>; readonly groups: ViewGroups } = {
    of: new Map(),
    groups: new Map(),
  }
  #last: CompiledRuleset | undefined
  #order: Order | undefined

  constructor(options: CompilerOptions = {}) {
    this.#options = options
    this.#tables = new ClassTables(options.classNumbers)
  }

  /** Takes up what an earlier compiler gave out for the rule set in force, so that nothing of it
   *  has to change. Once, before the first rule set is compiled. */
  keep({ classNumbers, views }: KeptClasses): void {
    this.#tables.keep(classNumbers, views)
  }

  /** NICs whose lists are equal share them. Errors: PUR_INVALID. */
  compile(given: NetfilterDesired): CompiledRuleset {
    const desired = { ...given, nics: this.#former(given.nics) }
    checkDesired(desired)
    const drafted = this.#draftAll(desired)
    const { drafts, keys } = drafted
    this.#settleClasses(drafts, desired)
    const listOf = this.#listsOf(drafts)
    const { lists, nics, opens } = this.#pathsOf(desired.nics, keys, listOf)
    const classes = this.#tables.maps
    this.#order = this.#orderOf(drafted, classes)
    const { classesAside, asideOf } = this.#order
    const ruleset: CompiledRuleset = {
      nics,
      lists,
      opens,
      sets: this.#sets.of(lists, desired),
      classes,
      classesAside,
      asideOf,
      views: this.#tables.viewsOf(viewsNamedBy(lists)),
      classNumbers: this.#tables.classNumbers,
    }
    this.#last = ruleset
    return ruleset
  }

  /** How the classes come into force; as before where nothing has changed. */
  #orderOf(drafted: Drafted, classes: CompiledRuleset['classes']): Order {
    const known = this.#order
    if (known?.drafted === drafted && known.classes === classes) return known
    const { mapsAside: classesAside, membersChanged } = this.#tables
    const isBoth = membersChanged && !isSameMeaning(known?.drafted, drafted)
    const before = this.#last
    const asideOf = before && !isBoth ? { lists: before.lists, classes: before.classes } : undefined
    return { drafted, classes, classesAside, asideOf }
  }

  /** What NICs are led to; the same values as before where all of it is. */
  #pathsOf(
    given: readonly FilteredNic[],
    keys: Drafted['keys'],
    listOf: ReadonlyMap<string, CompiledList>,
  ): Pick<CompiledRuleset, 'nics' | 'lists' | 'opens'> {
    const before = this.#paths
    if (before?.given === given && before.listOf === listOf && before.keys === keys) return before
    const lists = new Map([...listOf.values()].map((list) => [list.key, list]))
    // What is open follows from the NICs alone.
    const former = before?.given === given ? before : undefined
    const byKey = new Map<string, CompiledOpen>()
    const nics = given.map((nic, index) => {
      const own = keys[index]
      if (own === undefined) return compileNic(nic, { lists: undefined, opens: undefined })
      const open = (direction: Direction): string => this.#open(nic, direction, byKey).key
      return compileNic(nic, {
        lists: {
          inbound: listOf.get(own.inbound)?.key ?? '',
          outbound: listOf.get(own.outbound)?.key ?? '',
        },
        opens: former?.nics[index]?.opens ?? {
          inbound: open('inbound'),
          outbound: open('outbound'),
        },
      })
    })
    if (former === undefined) this.#opens = byKey
    const opens = former?.opens ?? new Map([...byKey.values()].map((open) => [open.key, open]))
    this.#paths = { given, keys, listOf, nics, lists, opens }
    return this.#paths
  }

  /** The list of each draft, by the draft's key. Drafts of equal content share theirs. */
  #listsOf(drafts: ReadonlyMap<string, Draft>): ReadonlyMap<string, CompiledList> {
    const { views, maps } = this.#tables
    const before = this.#listed
    if (before !== undefined) {
      const isSameText = before.drafts === drafts && before.views === views
      if (isSameText && this.#isFarFrom(before)) {
        before.maps = maps
        return before.lists
      }
      carryAll(before)
    }
    const lists = this.#listAll(drafts)
    this.#listed = { drafts, views, lists, sights: this.#sightsOf(drafts), maps, named: undefined }
    return lists
  }

  /** Whether members lie as they did: nobody joined or left where a list names addresses, or the
   *  meetings there are the same. */
  #isFarFrom(listed: Listed): boolean {
    const { sights, maps: before } = listed
    const { maps } = this.#tables
    // To put the addresses of all lists in order pays when members change again and again.
    if (maps !== before && listed.named === undefined) listed.named = 'next time'
    else if (listed.named === 'next time') listed.named = namedIn(sights)
    const { named } = listed
    if (named !== undefined && named !== 'next time') {
      const isFar = (family: AddressFamily): boolean => {
        followMembers(maps[family])
        return isUntouched(named[family], before[family].classes, maps[family])
      }
      if (FAMILIES.every(isFar)) {
        listed.seen ??= before
        return true
      }
    }
    carryAll(listed)
    return sights.every(({ draft, family, meetings }) => {
      return this.#meetingsOf(draft, family) === meetings
    })
  }

  /** What may change for drafts although they and the views stay: where members lie. */
  #sightsOf(drafts: ReadonlyMap<string, Draft>): readonly Sight[] {
    return [...drafts.values()].flatMap((draft) =>
      FAMILIES.flatMap((family): readonly Sight[] => {
        const { intervals, view } = draft.families[family]
        if (view === undefined || intervals === undefined || intervals.length === 0) return []
        return [{ draft, family, intervals, meetings: this.#meetingsOf(draft, family) }]
      }),
    )
  }

  #listAll(drafts: ReadonlyMap<string, Draft>): ReadonlyMap<string, CompiledList> {
    const former = this.#paths?.listOf
    const lists = new Map<string, CompiledList>()
    const byContent = new Map<string, CompiledList>()
    let isSameAsBefore = former?.size === drafts.size
    for (const [key, draft] of drafts) {
      const content = this.#contentOf(draft)
      const list = this.#lists.get(content) ?? byContent.get(content)
      const made = list ?? this.#compileList(draft, content)
      byContent.set(content, made)
      lists.set(key, made)
      isSameAsBefore &&= former?.get(key) === made
    }
    this.#lists = byContent
    return former !== undefined && isSameAsBefore ? former : lists
  }

  /** All that a draft's list follows from, as text. */
  #contentOf(draft: Draft): string {
    const ipv4 = this.#sightOf(draft, 'ipv4')
    const ipv6 = this.#sightOf(draft, 'ipv6')
    const before = this.#contents.get(draft)
    if (before?.ipv4 === ipv4 && before.ipv6 === ipv6) return before.content
    const content = [draft.hash, ipv4, ipv6].join(' ')
    this.#contents.set(draft, { ipv4, ipv6, content })
    return content
  }

  /** What a list follows from beside its draft, as text. */
  #sightOf(draft: Draft, family: AddressFamily): string {
    const view = this.#viewOf(draft, family)
    if (view === undefined) return ''
    const meetings = this.#meetingsOf(draft, family).text
    return meetings === '' ? view.text : `${view.text} ${meetings}`
  }

  /** The NICs as they were given before, where they say the same: what was made of them serves. */
  #former(nics: readonly FilteredNic[]): readonly FilteredNic[] {
    if (nics === this.#given.nics) return this.#given.same
    const same = nics.map((nic) => {
      const before = this.#nics.get(nic.port)
      return before !== undefined && sameNic(before, nic) ? before : nic
    })
    this.#nics = new Map(same.map((nic) => [nic.port, nic]))
    const before = this.#given.same
    const equal = same.length === before.length && same.every((nic, at) => nic === before[at])
    this.#given = { nics, same: equal ? before : same }
    return this.#given.same
  }

  /** The drafts by a key that names what they come from, and each NIC's keys. */
  #draftAll(desired: NetfilterDesired): Drafted {
    const before = this.#drafted
    const changed =
      before?.nics === desired.nics ? changedNames(before.groups, desired.groups) : undefined
    if (before !== undefined && changed?.size === 0) return before
    const drafts = new Map<string, Draft>()
    const keep = (key: string): string => {
      const draft = before?.drafts.get(key)
      if (draft !== undefined) drafts.set(key, draft)
      return key
    }
    const keyOf = (nic: FilteredNic, direction: Direction): string => {
      const groups = nic.groups.map((name) => `${name}#${versionOf(desired.groups.get(name))}`)
      const key = [direction, nic.defaultPolicy[direction], ...groups].join(' ')
      if (drafts.has(key)) return key
      const { flatten: meaning = flatten, form = 'measured' } = this.#options
      drafts.set(key, this.#drafts.get(key) ?? draftOf(meaning(nic, direction, desired), form))
      return key
    }
    const keys = desired.nics.map((nic, index) => {
      if (!nic.filtered) return undefined
      const former = before?.keys[index]
      if (former !== undefined && changed && !nic.groups.some((group) => changed.has(group))) {
        return { inbound: keep(former.inbound), outbound: keep(former.outbound) }
      }
      return { inbound: keyOf(nic, 'inbound'), outbound: keyOf(nic, 'outbound') }
    })
    this.#drafts = drafts
    this.#drafted = { nics: desired.nics, groups: desired.groups, drafts, keys }
    return this.#drafted
  }

  #settleClasses(drafts: ReadonlyMap<string, Draft>, { members }: NetfilterDesired): void {
    if (this.#views.of !== drafts) this.#views = { of: drafts, groups: viewGroupsOf(drafts) }
    this.#tables.settle(this.#views.groups, members)
  }

  #viewOf(draft: Draft, family: AddressFamily): ViewParts | undefined {
    const { view } = draft.families[family]
    return view === undefined ? undefined : this.#tables.partsOf(view)
  }

  #meetingsOf(draft: Draft, family: AddressFamily): Meetings {
    const { intervals } = draft.families[family]
    const view = this.#viewOf(draft, family)
    if (intervals === undefined || view === undefined) return noMeetings
    return meetingsOf(intervals, view, this.#tables.maps[family])
  }

  #compileList(draft: Draft, cacheKey: string): CompiledList {
    const form = (family: AddressFamily): CompiledForm => {
      const { intervals } = draft.families[family]
      const view = this.#viewOf(draft, family)
      const meetings = this.#meetingsOf(draft, family)
      const sight = { parts: view?.parts ?? [], view: view?.view.key, meetings }
      const identity = intervals && compileIdentity(draft.content, family, intervals, sight)
      return identity ?? compileLinear(draft.content, family)
    }
    const ipv4 = form('ipv4')
    const ipv6 = form('ipv6')
    return { key: shortHash([RELEASE, ipv4.form, ipv6.form, cacheKey].join(' '), 12), ipv4, ipv6 }
  }

  #open(nic: FilteredNic, direction: Direction, opens: Map<string, CompiledOpen>): CompiledOpen {
    const key = openKey(nic, direction)
    const open = opens.get(key) ?? this.#opens.get(key) ?? compileOpen(nic, direction)
    opens.set(key, open)
    return open
  }
}

/** What was found for all lists together holds for each. */
function carryAll(listed: Listed): void {
  const { seen, maps, sights } = listed
  if (seen === undefined) return
  listed.seen = undefined
  for (const { family, intervals } of sights) {
    carryMeetings(intervals, seen[family].classes, maps[family].classes)
  }
}

function namedIn(sights: readonly Sight[]): Readonly<Record<AddressFamily, readonly Range[]>> {
  const of = (family: AddressFamily): readonly Range[] =>
    allNamed(sights.flatMap((one) => (one.family === family ? [one.intervals] : [])))
  return { ipv4: of('ipv4'), ipv6: of('ipv6') }
}

/** The groups of the views that drafts name. */
function viewGroupsOf(drafts: ReadonlyMap<string, Draft>): ViewGroups {
  const groups = new Map<string, readonly string[]>()
  for (const { families } of drafts.values()) {
    for (const family of FAMILIES) {
      const { view, groups: named } = families[family]
      if (view !== undefined) groups.set(view, named)
    }
  }
  return groups
}

interface Paths extends Pick<CompiledRuleset, 'nics' | 'lists' | 'opens'> {
  readonly given: readonly FilteredNic[]
  readonly keys: Drafted['keys']
  readonly listOf: ReadonlyMap<string, CompiledList>
}

interface Order extends Pick<CompiledRuleset, 'classes' | 'classesAside' | 'asideOf'> {
  readonly drafted: Drafted
}

/** What lists were made of. */
interface Listed {
  readonly drafts: ReadonlyMap<string, Draft>
  readonly views: ReadonlyMap<string, ViewParts>
  readonly sights: readonly Sight[]
  /** Where the members were last. */
  maps: ClassTables['maps']
  /** Where they were when each list was last looked at by itself, if that was before. */
  seen?: ClassTables['maps'] | undefined
  /** What the lists of `sights` name; undefined until members change. */
  named: Readonly<Record<AddressFamily, readonly Range[]>> | 'next time' | undefined
  readonly lists: ReadonlyMap<string, CompiledList>
}

interface Sight {
  readonly draft: Draft
  readonly family: AddressFamily
  readonly intervals: readonly AddressInterval[]
  readonly meetings: Meetings
}

interface Drafted {
  readonly nics: readonly FilteredNic[]
  readonly groups: NetfilterDesired['groups']
  readonly drafts: ReadonlyMap<string, Draft>
  /** Of each NIC, in their order; undefined where its lists do not apply. */
  readonly keys: readonly ({ readonly inbound: string; readonly outbound: string } | undefined)[]
}

/** Whether the rules of every NIC mean the same, members aside. */
function isSameMeaning(one: Drafted | undefined, other: Drafted): boolean {
  if (one === other) return true
  if (one?.nics !== other.nics) return false
  const hashOf = ({ drafts }: Drafted, key: string | undefined): string | undefined =>
    drafts.get(key ?? '')?.hash
  return other.keys.every((keys, at) => {
    const before = one.keys[at]
    return (
      hashOf(one, before?.inbound) === hashOf(other, keys?.inbound) &&
      hashOf(one, before?.outbound) === hashOf(other, keys?.outbound)
    )
  })
}

/** Names that do not have the same value in both. */
function changedNames<Value>(
  one: ReadonlyMap<string, Value>,
  other: ReadonlyMap<string, Value>,
): ReadonlySet<string> {
  const changed = new Set<string>()
  if (one === other) return changed
  for (const [name, value] of one) if (other.get(name) !== value) changed.add(name)
  for (const name of other.keys()) if (!one.has(name)) changed.add(name)
  return changed
}

const named = new WeakMap<CompiledList, readonly string[]>()

const namedBy = new WeakMap<object, readonly string[]>()

/** The keys of the views that any of the lists looks into. */
function viewsNamedBy(lists: CompiledRuleset['lists']): readonly string[] {
  const known = namedBy.get(lists)
  if (known !== undefined) return known
  const keys = [...lists.values()].flatMap(viewsNamed)
  namedBy.set(lists, keys)
  return keys
}

/** The keys of the views that a list looks into. */
function viewsNamed(list: CompiledList): readonly string[] {
  const known = named.get(list)
  if (known !== undefined) return known
  const keys = FAMILIES.flatMap((family) => {
    const form = list[family]
    const lookups = form.form === 'identity' ? form.lookups : []
    return lookups.flatMap((lookup) => (lookup.sets === 'view' ? [lookup.view] : []))
  })
  named.set(list, keys)
  return keys
}

const openKeys = new WeakMap<FilteredNic, Map<Direction, string>>()

/** What the open traffic of a NIC follows from, as text. */
function openKey(nic: FilteredNic, direction: Direction): string {
  const keys = openKeys.get(nic) ?? new Map<Direction, string>()
  openKeys.set(nic, keys)
  const key = keys.get(direction) ?? JSON.stringify([direction, nic.alwaysOpen, nic.servers])
  keys.set(direction, key)
  return key
}

const versions = new WeakMap<SecurityGroupSpec, number>()
let versionsGiven = 0

/** A number that a group's value has in this process, and no other value. */
function versionOf(spec: SecurityGroupSpec | undefined): number {
  if (spec === undefined) return 0
  const known = versions.get(spec)
  if (known !== undefined) return known
  versionsGiven++
  versions.set(spec, versionsGiven)
  return versionsGiven
}
