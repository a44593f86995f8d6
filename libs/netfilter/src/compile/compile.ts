import {
  type AddressFamily,
  formatAddress,
  linkLocalOfMac,
  parseAddress,
  shortHash,
} from '@purlin/base'
import { flatten } from '../flatten.ts'
import { membershipOf } from '../membership.ts'
import { checkDesired } from '../policy/check.ts'
import type { Direction, FilteredNic, NetfilterDesired } from '../policy/desired.ts'
import { compileLinear, groupSetName } from './linear.ts'
import type {
  CompiledList,
  CompiledNic,
  CompiledRule,
  CompiledRuleset,
  GroupSet,
} from './ruleset.ts'

/** Part of every list's key: another form, or another text of the same form, is another chain. */
const FORM = 'linear-1'

const FAMILIES: readonly AddressFamily[] = ['ipv4', 'ipv6']

/** Compiles the policy of a host. NICs whose lists are equal share them; only the groups that some
 *  list names have a set. Pure. Errors: PUR_INVALID. */
export function compile(desired: NetfilterDesired): CompiledRuleset {
  checkDesired(desired)
  const lists = new Map<string, CompiledList>()
  const byContent = new Map<string, string>()
  const listOf = (nic: FilteredNic, direction: Direction): string => {
    const shared = JSON.stringify([direction, nic.groups, nic.defaultPolicy[direction]])
    const known = byContent.get(shared)
    if (known !== undefined) return known
    const flat = flatten(nic, direction, desired)
    const list = keyed(compileLinear(flat, 'ipv4'), compileLinear(flat, 'ipv6'))
    lists.set(list.key, list)
    byContent.set(shared, list.key)
    return list.key
  }
  const nics = desired.nics.map((nic): CompiledNic => {
    const { filtered } = nic
    return {
      port: nic.port,
      tap: nic.tap,
      inner: nic.inner,
      zone: nic.zone,
      mac: nic.mac,
      ipv4: usual(nic.ipv4),
      ipv6: [...new Set([formatAddress(linkLocalOfMac(nic.mac)), ...usual(nic.ipv6)])],
      lists: filtered
        ? { inbound: listOf(nic, 'inbound'), outbound: listOf(nic, 'outbound') }
        : undefined,
    }
  })
  return { nics, lists, sets: groupSets(desired, lists) }
}

function usual(texts: readonly string[]): readonly string[] {
  return texts.flatMap((text) => {
    const address = parseAddress(text)
    return address === undefined ? [] : [formatAddress(address)]
  })
}

function keyed(ipv4: readonly CompiledRule[], ipv6: readonly CompiledRule[]): CompiledList {
  const text = JSON.stringify([FORM, ipv4, ipv6], (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString(16) : value,
  )
  return { key: shortHash(text, 12), ipv4, ipv6 }
}

function groupSets(
  desired: NetfilterDesired,
  lists: ReadonlyMap<string, CompiledList>,
): ReadonlyMap<string, GroupSet> {
  const named = new Set<string>()
  for (const list of lists.values()) {
    for (const rule of [...list.ipv4, ...list.ipv6]) {
      for (const match of rule.matches) if (match.on === 'group') named.add(match.set)
    }
  }
  const sets = new Map<string, GroupSet>()
  const membership = membershipOf(desired.members)
  const groups = new Set([...desired.groups.keys(), ...desired.members.keys()])
  // A rule may name a group that has vanished; its set stays, empty, so that the rule matches
  // nobody.
  for (const name of named) groups.add(name.slice('group-'.length, name.lastIndexOf('-')))
  for (const group of groups) {
    for (const family of FAMILIES) {
      const name = groupSetName(group, family)
      if (!named.has(name)) continue
      const values = [...membership.addressesOf(group, family)]
      const addresses = values.map((value) => formatAddress({ family, value })).toSorted()
      sets.set(name, { name, family, addresses })
    }
  }
  return sets
}
