import { formatAddress, parseAddress } from '@purlin/base'
import type {
  InboundRule,
  OutboundRule,
  PolicyChange,
  RulePeer,
  SecurityGroupSpec,
} from '@purlin/schema'
import { flattenGroup } from '../flatten.ts'
import { interpret } from '../interpret.ts'
import { hasPorts, type Packet } from '../packet.ts'
import type { Direction, FilteredNic, NetfilterDesired } from '../policy/desired.ts'
import { protocolNumber, protocolWord } from '../policy/protocol.ts'
import { moveRule } from '../rules/rule-list.ts'
import { shownNic } from './question.ts'
import { packetsOf } from './rule-size.ts'
import { briefWalk, type EndVerdict, listOf, verdictBetween } from './verdict-between.ts'

type AnyRule = InboundRule | OutboundRule

/** A change, what it makes of the policy, and how much it opens beside the packet in question. */
interface Candidate {
  readonly change: Omit<PolicyChange, 'nic' | 'direction' | 'alsoAllows'>
  readonly after: NetfilterDesired
  /** Packets that it may newly let pass, over all NICs of the group. */
  readonly opens: number
}

/** What of a policy would have to change for a refused packet to pass, and as little else as can
 *  be: for each end that refuses, the change that opens the fewest packets, counted over all NICs
 *  of the group; of equals the one that adds no rule. Each was tried with the interpreter.
 *  Undefined where no change of groups helps. Pure. */
export function smallestChange(
  desired: NetfilterDesired,
  sender: FilteredNic | undefined,
  receiver: FilteredNic | undefined,
  packet: Packet,
): readonly PolicyChange[] | undefined {
  const { ends } = verdictBetween(desired, sender, receiver, packet, briefWalk)
  const changes: PolicyChange[] = []
  let standing = desired
  for (const end of ends.filter(({ verdict }) => verdict === 'deny')) {
    const nic = standing.nics.find(({ port }) => port === end.nic.port) ?? end.nic
    const [best] = candidates(standing, { ...end, nic }, packet)
      .filter(({ after }) => allows(after, end, packet))
      .toSorted((a, b) => a.opens - b.opens)
    if (best === undefined) return undefined
    const alsoAllows = othersAllowed(standing, best.after, end, best.change.group, packet)
    const { direction } = end
    changes.push({ ...best.change, nic: shownNic(end), direction, alsoAllows })
    standing = best.after
  }
  return changes
}

/** Every change that may help at one end. Those that add no rule come first, so that they win
 *  where they open no more. */
function candidates(desired: NetfilterDesired, end: EndVerdict, packet: Packet): Candidate[] {
  const { nic, direction, rule } = end
  if (nic.groups.length === 0) return [firstGroup(desired, end, packet)]
  const decider = rule?.provenance
  const last = decider === undefined ? nic.groups.length - 1 : nic.groups.indexOf(decider.group)
  const groups = nic.groups.slice(0, last + 1).toReversed()
  const found: Candidate[] = []
  const insertions: Candidate[] = []
  for (const group of groups) {
    const spec = desired.groups.get(group)
    if (spec === undefined) continue
    const own = decider?.group === group ? decider.priority : undefined
    const limit = typeof own === 'number' ? own : spec[direction].length
    const place: GroupPlace = { desired, group, spec, direction, packet, limit }
    found.push(...enablings(place))
    if (limit < spec[direction].length) found.push(...removals(place))
    insertions.push(insertion(place))
  }
  return [...found, ...insertions]
}

/** A group of the NIC, and the priority before which a change must stand to help. */
interface GroupPlace {
  readonly desired: NetfilterDesired
  readonly group: string
  readonly spec: SecurityGroupSpec
  readonly direction: Direction
  readonly packet: Packet
  readonly limit: number
}

function enablings(place: GroupPlace): Candidate[] {
  const { desired, group, spec, direction, limit } = place
  const rules: readonly AnyRule[] = spec[direction]
  const enabled = rules.flatMap((rule, priority): Candidate[] => {
    if (priority >= limit || rule.enabled || rule.action !== 'allow') return []
    const after = withRules(place, rules.with(priority, { ...rule, enabled: true }))
    const sentence = `enable ${ruleText(priority, rule.id, place)}`
    const change = { action: 'enableRule', group, priority, ...idOf(rule), sentence } as const
    return [{ change, after, opens: opensBy(place, rule) }]
  })
  if (spec.allowWithinGroup) return enabled
  const after = withSpec(desired, group, { ...spec, allowWithinGroup: true })
  const members = desired.members.get(group) ?? []
  const peers = members.flatMap((member) => member[place.packet.family]).length
  const everything = { family: place.packet.family, protocol: 'all', action: 'allow' } as const
  const opens = packetsOf({ ...everything, enabled: true, log: false }, [], peers)
  const sentence = `switch the members rule of group ${group} on`
  return [
    ...enabled,
    {
      change: { action: 'enableMembersRule', group, sentence },
      after,
      opens: opens * nicsOf(place),
    },
  ]
}

/** The rule that denies out of the way: disabled, or a later one that allows moved before it. */
function removals(place: GroupPlace): Candidate[] {
  const { group, spec, direction, limit } = place
  const rules: readonly AnyRule[] = spec[direction]
  const denier = rules[limit]
  if (denier === undefined) return []
  const sentence = `disable ${ruleText(limit, denier.id, place)}`
  const disabled: Candidate = {
    change: { action: 'disableRule', group, priority: limit, ...idOf(denier), sentence },
    after: withRules(place, rules.with(limit, { ...denier, enabled: false })),
    opens: opensBy(place, denier),
  }
  const moved = rules.flatMap((rule, priority): Candidate[] => {
    if (priority <= limit || !rule.enabled || rule.action !== 'allow') return []
    const after = moveRule(group, spec, { direction, priority }, limit)
    return [
      {
        change: {
          action: 'moveRule',
          group,
          priority,
          ...idOf(rule),
          toPriority: limit,
          sentence: `move ${ruleText(priority, rule.id, place)} to priority ${limit}`,
        },
        after: withSpec(place.desired, group, after),
        opens: Math.min(opensBy(place, rule), opensBy(place, denier)),
      },
    ]
  })
  return [disabled, ...moved]
}

function insertion(place: GroupPlace): Candidate {
  const { group, spec, direction, packet, limit } = place
  const rule = exactRule(direction, packet)
  const rules: readonly AnyRule[] = spec[direction]
  const sentence = `insert at priority ${limit} of the ${direction} list of group ${group}: ${allowText(rule, direction, packet)}`
  return {
    change: { action: 'insertRule', group, priority: limit, rule, sentence },
    after: withRules(place, rules.toSpliced(limit, 0, rule)),
    opens: opensBy(place, rule),
  }
}

/** A NIC without groups whose lists apply is closed; a group of its own opens nothing else. */
function firstGroup(desired: NetfilterDesired, end: EndVerdict, packet: Packet): Candidate {
  const { nic, direction } = end
  const base = nic.port.replace('.', '-').slice(0, 58)
  const taken = (name: string): boolean => desired.groups.has(name)
  let group = base
  for (let count = 2; taken(group); count++) group = `${base}-${count}`
  const rule = exactRule(direction, packet)
  const spec: SecurityGroupSpec = {
    allowWithinGroup: false,
    keepEstablished: false,
    inbound: direction === 'inbound' ? [rule] : [],
    outbound: direction === 'outbound' ? [rule] : [],
  }
  const own = nic.port
  const defaultPolicy = { inbound: 'deny', outbound: 'deny' } as const
  const after: NetfilterDesired = {
    ...desired,
    nics: desired.nics.map((one) =>
      one.port === own ? { ...one, groups: [group], defaultPolicy } : one,
    ),
    groups: new Map([...desired.groups, [group, spec]]),
  }
  const sentence = `${shownNic(end)} has no groups and is closed; with its default policy deny for both directions, give it a group without the members rule: ${allowText(rule, direction, packet)}`
  return { change: { action: 'addGroup', group, priority: 0, rule, sentence }, after, opens: 1 }
}

/** The rule that allows this packet, from any source port, and no other. */
function exactRule(direction: Direction, packet: Packet): InboundRule & OutboundRule {
  const { family, protocol, destinationPort, icmp } = packet
  const value = direction === 'inbound' ? packet.source : packet.destination
  const peer: RulePeer = {
    cidrs: [],
    addresses: [formatAddress({ family, value })],
    ranges: [],
    groups: [],
    self: false,
  }
  const isIcmp = protocol === protocolNumber('icmp', family)
  const word = protocolWord(protocol)
  return {
    family,
    protocol: isIcmp ? 'icmp' : hasPorts(protocol) ? (word as InboundRule['protocol']) : protocol,
    ...(hasPorts(protocol) &&
      destinationPort !== undefined && { ports: [String(destinationPort)] }),
    ...(isIcmp && icmp && { icmp }),
    [direction === 'inbound' ? 'source' : 'destination']: peer,
    action: 'allow',
    enabled: true,
    log: false,
  }
}

function allowText(rule: AnyRule, direction: Direction, packet: Packet): string {
  const value = direction === 'inbound' ? packet.source : packet.destination
  const end = formatAddress({ family: packet.family, value })
  const ports = rule.ports === undefined ? '' : ` port ${rule.ports.join(',')}`
  const icmp = rule.icmp === undefined ? '' : ` type ${rule.icmp.type} code ${rule.icmp.code}`
  const side = direction === 'inbound' ? 'from' : 'to'
  return `allow ${rule.family} ${rule.protocol}${ports}${icmp} ${side} ${end}`
}

function ruleText(priority: number, id: string | undefined, place: GroupPlace): string {
  const named = id === undefined ? '' : ` (${id})`
  return `rule ${priority}${named} of the ${place.direction} list of group ${place.group}`
}

function idOf({ id }: AnyRule): { readonly id?: string } {
  return id === undefined ? {} : { id }
}

/** How many packets the rule matches, over all NICs that have the group. */
function opensBy(place: GroupPlace, rule: AnyRule): number {
  const { desired, group, direction, packet } = place
  const alone = { inbound: [], outbound: [], [direction]: [{ ...rule, enabled: true }] }
  const spec = { allowWithinGroup: false, keepEstablished: false, ...alone }
  const [flat] = flattenGroup(group, spec, direction)
  const peers = (flat?.peer?.groups ?? []).flatMap((name) =>
    (desired.members.get(name) ?? []).flatMap((member) => member[packet.family]),
  )
  return packetsOf(rule, flat?.peer?.ranges, new Set(peers).size) * nicsOf(place)
}

function nicsOf({ desired, group }: GroupPlace): number {
  return Math.max(1, (desired.members.get(group) ?? []).length)
}

function withRules(place: GroupPlace, rules: readonly AnyRule[]): NetfilterDesired {
  const { desired, group, spec, direction } = place
  return withSpec(desired, group, { ...spec, [direction]: rules })
}

function withSpec(
  desired: NetfilterDesired,
  group: string,
  spec: SecurityGroupSpec,
): NetfilterDesired {
  return { ...desired, groups: new Map([...desired.groups, [group, spec]]) }
}

function allows(after: NetfilterDesired, end: EndVerdict, packet: Packet): boolean {
  const nic = after.nics.find(({ port }) => port === end.nic.port)
  return nic !== undefined && interpret(listOf(after, nic, end.direction), packet) === 'allow'
}

/** The other NICs of the group whose own packet of this sort was refused and then passes. */
function othersAllowed(
  before: NetfilterDesired,
  after: NetfilterDesired,
  { nic, direction }: EndVerdict,
  group: string,
  packet: Packet,
): string[] {
  const side = direction === 'inbound' ? 'destination' : 'source'
  return before.nics
    .filter((other) => other.port !== nic.port && other.groups.includes(group))
    .filter((other) => {
      const address = parseAddress(other[packet.family][0] ?? '')
      if (address === undefined) return false
      const own = { ...packet, [side]: address.value }
      const passes = (policy: NetfilterDesired): boolean =>
        interpret(listOf(policy, other, direction), own) === 'allow'
      return !passes(before) && passes(after)
    })
    .map((other) => other.port.replace('.', '/'))
}
