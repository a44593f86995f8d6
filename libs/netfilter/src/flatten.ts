import {
  type AddressFamily,
  type AddressRange,
  PurlinError,
  parseAddress,
  parseCidr,
} from '@purlin/base'
import { type InboundRule, portsOf, type RulePeer } from '@purlin/schema'
import { type Membership, membershipOf } from './membership.ts'
import type { Direction, FilterAction, FilteredNic, NetfilterDesired } from './policy/desired.ts'
import { protocolNumber } from './policy/protocol.ts'
import { mergeAddressRanges, mergePortRanges, type PortRange } from './policy/ranges.ts'

/** Where a flat rule comes from: a group and a position in its list, or its members rule. */
export interface Provenance {
  readonly group: string
  readonly priority: number | 'members'
}

/** The other end: an address in any of the ranges, or of a member of any of the groups. */
export interface FlatPeer {
  readonly ranges: readonly AddressRange[]
  readonly groups: readonly string[]
}

/** A rule with all names resolved but those of groups, whose members change by themselves. */
export interface FlatRule {
  readonly provenance: Provenance
  readonly families: readonly AddressFamily[]
  readonly protocol: number | 'all'
  readonly ports: readonly PortRange[] | undefined
  readonly icmp: { readonly type: number; readonly code: number | undefined } | undefined
  /** Absent: anyone. */
  readonly peer: FlatPeer | undefined
  readonly action: FilterAction
}

/** What decides about one direction of a NIC: the first rule that matches, else the default. */
export interface FlatList {
  readonly direction: Direction
  /** False for a NIC without groups: everything passes. */
  readonly filtered: boolean
  readonly rules: readonly FlatRule[]
  readonly defaultAction: FilterAction
  readonly membership: Membership
}

/** The NIC's groups in order, in each the members rule and then the enabled rules in order, as one
 *  list. Pure. Errors: PUR_INVALID where a rule holds an address that cannot be read. */
export function flatten(
  nic: FilteredNic,
  direction: Direction,
  desired: NetfilterDesired,
): FlatList {
  return {
    direction,
    filtered: nic.filtered,
    rules: nic.groups.flatMap((name) => flattenGroup(name, direction, desired)),
    defaultAction: nic.defaultPolicy[direction],
    membership: membershipOf(desired.members),
  }
}

function flattenGroup(
  group: string,
  direction: Direction,
  desired: NetfilterDesired,
): readonly FlatRule[] {
  const spec = desired.groups.get(group)
  if (spec === undefined) return []
  const membersRule: FlatRule = {
    provenance: { group, priority: 'members' },
    families: ['ipv4', 'ipv6'],
    protocol: 'all',
    ports: undefined,
    icmp: undefined,
    peer: { ranges: [], groups: [group] },
    action: 'allow',
  }
  const own =
    direction === 'inbound'
      ? spec.inbound.map((rule) => ({ rule, peer: rule.source }))
      : spec.outbound.map((rule) => ({ rule, peer: rule.destination }))
  return [
    ...(spec.allowWithinGroup ? [membersRule] : []),
    ...own.flatMap(({ rule, peer }, priority) =>
      rule.enabled ? [flattenRule(rule, peer, { group, priority })] : [],
    ),
  ]
}

function flattenRule(
  rule: Omit<InboundRule, 'source'>,
  peer: RulePeer | undefined,
  provenance: Provenance,
): FlatRule {
  return {
    provenance,
    families: [rule.family],
    protocol: protocolNumber(rule.protocol, rule.family),
    ports: rule.ports && mergePortRanges(rule.ports.map(portsOf)),
    icmp: rule.icmp && { type: rule.icmp.type, code: rule.icmp.code },
    peer: peer && flattenPeer(peer, rule.family, provenance),
    action: rule.action,
  }
}

function flattenPeer(peer: RulePeer, family: AddressFamily, provenance: Provenance): FlatPeer {
  const ranges = [
    ...peer.cidrs.map((text) => readable(parseCidr(text), text, family, provenance)),
    ...peer.addresses.map((text) => readable(single(text), text, family, provenance)),
    ...peer.ranges.map((text) => readable(span(text), text, family, provenance)),
  ]
  const groups = [...(peer.self ? [provenance.group] : []), ...peer.groups]
  return { ranges: mergeAddressRanges(ranges), groups: [...new Set(groups)] }
}

function single(text: string): AddressRange | undefined {
  const address = parseAddress(text)
  return address && { family: address.family, first: address.value, last: address.value }
}

function span(text: string): AddressRange | undefined {
  const [first, last] = text.split('-').map((part) => parseAddress(part.trim()))
  if (first === undefined || last === undefined || first.family !== last.family) return undefined
  return { family: first.family, first: first.value, last: last.value }
}

function readable(
  range: AddressRange | undefined,
  text: string,
  family: AddressFamily,
  { group, priority }: Provenance,
): AddressRange {
  if (range?.family === family) return range
  throw new PurlinError('PUR_INVALID', {
    message: `security group ${group}, rule ${priority}: "${text}" is no ${family} address, network or range`,
    context: { group, priority, text },
  })
}
