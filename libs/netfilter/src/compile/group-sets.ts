import type { AddressFamily } from '@purlin/base'
import type { MemberAddresses, NetfilterDesired } from '../policy/desired.ts'
import { usualText } from '../policy/usual-text.ts'
import { sameMembers } from './classes.ts'
import type { CompiledList, CompiledRuleset, GroupSet } from './ruleset.ts'

const FAMILIES: readonly AddressFamily[] = ['ipv4', 'ipv6']

interface Made {
  readonly from: readonly MemberAddresses[] | undefined
  readonly set: GroupSet
}

/** The sets of the groups that linear lists name. A rule may name a group that has vanished; its
 *  set stays, empty, so that the rule matches nobody. */
export class GroupSets {
  #made = new Map<string, Made>()

  /** A set whose members are the same value as before is the same value. */
  of(lists: CompiledRuleset['lists'], desired: NetfilterDesired): ReadonlyMap<string, GroupSet> {
    const named = setsNamedBy(lists)
    const made = new Map<string, Made>()
    const sets = new Map<string, GroupSet>()
    for (const [name, family] of named) {
      const group = name.slice('group-'.length, name.lastIndexOf('-'))
      const from = desired.members.get(group)
      const before = this.#made.get(name)
      const same = before !== undefined && sameMembers(before.from, from, family)
      const set = same ? before.set : groupSet(name, group, family, desired)
      const kept = before !== undefined && sameAddresses(before.set, set) ? before.set : set
      made.set(name, { from, set: kept })
      sets.set(name, kept)
    }
    this.#made = made
    return sets
  }
}

const namedBy = new WeakMap<object, ReadonlyMap<string, AddressFamily>>()

/** The sets that any of the lists names. */
function setsNamedBy(lists: CompiledRuleset['lists']): ReadonlyMap<string, AddressFamily> {
  const found = namedBy.get(lists)
  if (found !== undefined) return found
  const named = new Map<string, AddressFamily>()
  for (const list of lists.values()) {
    for (const [name, family] of setsOf(list)) named.set(name, family)
  }
  namedBy.set(lists, named)
  return named
}

const known = new WeakMap<CompiledList, ReadonlyMap<string, AddressFamily>>()

/** The sets that a list names. */
function setsOf(list: CompiledList): ReadonlyMap<string, AddressFamily> {
  const found = known.get(list)
  if (found !== undefined) return found
  const named = new Map<string, AddressFamily>()
  for (const family of FAMILIES) {
    const form = list[family]
    for (const { matches } of form.form === 'linear' ? form.rules : []) {
      for (const match of matches) if (match.on === 'group') named.set(match.set, family)
    }
  }
  known.set(list, named)
  return named
}

function groupSet(
  name: string,
  group: string,
  family: AddressFamily,
  desired: NetfilterDesired,
): GroupSet {
  const texts = (desired.members.get(group) ?? []).flatMap((member) => member[family])
  const addresses = [...new Set(texts.map(usualText))].sort()
  return { name, family, addresses }
}

function sameAddresses(one: GroupSet, other: GroupSet): boolean {
  const { addresses } = other
  return (
    one.addresses.length === addresses.length &&
    one.addresses.every((address, index) => address === addresses[index])
  )
}
