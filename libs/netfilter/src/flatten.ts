import {
  type AddressFamily,
  type AddressRange,
  PurlinError,
  parseAddress,
  parseCidr,
} from '@purlin/base'
import { type InboundRule, portsOf, type RulePeer, type SecurityGroupSpec } from '@purlin/schema'
import { type Membership, membershipOf } from './membership.ts'
import { type BuiltIn, builtInsOf } from './policy/built-in.ts'
import type { Direction, FilterAction, FilteredNic, NetfilterDesired } from './policy/desired.ts'
import { protocolNumber } from './policy/protocol.ts'
import { mergeAddressRanges, mergePortRanges, type PortRange } from './policy/ranges.ts'

/** Where a flat rule comes from: a group and a position in its list, or its members rule. */
export interface Provenance {
  readonly group: string
  readonly priority: number | 'members'
  /** The rule's own id, where it has one: it stays when the rule moves. */
  readonly id?: string
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
  /** Whether new flows that it decides are logged. */
  readonly log: boolean
}

/** What decides about one direction of a NIC: the first rule that matches, else the default. */
export interface FlatList {
  readonly direction: Direction
  /** False for a NIC whose lists do not apply: everything passes. */
  readonly filtered: boolean
  /** What passes before any rule is asked. */
  readonly open: readonly BuiltIn[]
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
    open: builtInsOf(nic, direction),
    rules: nic.groups.flatMap((name) => {
      const spec = desired.groups.get(name)
      return spec === undefined ? [] : flattenGroup(name, spec, direction)
    }),
    defaultAction: nic.defaultPolicy[direction],
    membership: membershipOf(desired.members),
  }
}

const flattened = new WeakMap<SecurityGroupSpec, Map<string, readonly FlatRule[]>>()

/** The rules of one group in one direction. A group's value never changes in place, so they are
 *  worked out once for each. Errors: PUR_INVALID. */
export function flattenGroup(
  group: string,
  spec: SecurityGroupSpec,
  direction: Direction,
): readonly FlatRule[] {
  const known = flattened.get(spec) ?? new Map<string, readonly FlatRule[]>()
  flattened.set(spec, known)
  const key = `${direction} ${group}`
  const found = known.get(key)
  if (found !== undefined) return found
  const rules = rulesOf(group, spec, direction)
  known.set(key, rules)
  return rules
}

function rulesOf(
  group: string,
  spec: SecurityGroupSpec,
  direction: Direction,
): readonly FlatRule[] {
  const membersRule: FlatRule = {
    provenance: { group, priority: 'members' },
    families: ['ipv4', 'ipv6'],
    protocol: 'all',
    ports: undefined,
    icmp: undefined,
    peer: { ranges: [], groups: [group] },
    action: 'allow',
    log: false,
  }
  const own =
    direction === 'inbound'
      ? spec.inbound.map((rule) => ({ rule, peer: rule.source }))
      : spec.outbound.map((rule) => ({ rule, peer: rule.destination }))
  return [
    ...(spec.allowWithinGroup ? [membersRule] : []),
    ...own.flatMap(({ rule, peer }, priority) => {
      const provenance = { group, priority, ...(rule.id !== undefined && { id: rule.id }) }
      return rule.enabled ? [flattenRule(rule, peer, provenance)] : []
    }),
  ]
}

const known = new WeakMap<object, FlatRule>()

/** The same value for the same rule at the same place. */
function flattenRule(
  rule: Omit<InboundRule, 'source'>,
  peer: RulePeer | undefined,
  provenance: Provenance,
): FlatRule {
  const before = known.get(rule)
  if (before !== undefined && isSame(before.provenance, provenance)) return before
  const flat = flattenAnew(rule, peer, provenance)
  known.set(rule, flat)
  return flat
}

function isSame(one: Provenance, other: Provenance): boolean {
  return one.group === other.group && one.priority === other.priority && one.id === other.id
}

function flattenAnew(
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
    log: rule.log,
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
