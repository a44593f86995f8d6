import { type AddressFamily, addressBits, PurlinError, shortHash } from '@purlin/base'
import type { FlatList, FlatPeer, FlatRule } from '../flatten.ts'
import { protocolNumbers } from '../policy/protocol.ts'
import { mergeAddressRanges } from '../policy/ranges.ts'
import { drop, type FieldMatch, type Flow, type FlowAction, go, noted, tables } from './flow.ts'
import { addressMasks, portMasks } from './masks.ts'
import { etherType, masked, protocolOf } from './match.ts'

const HIGHEST_PRIORITY = 65_535
const DEFAULT_PRIORITY = 1
/** Below it a rule's addresses and ports are enumerated as pairs; from there they are two lists
 *  that a conjunction joins, so that 500 members and 30 port masks are 530 flows and not 15,000. */
const CONJUNCTION_LEAST = 4

/** The flows of one list: the first rule that matches is the flow of the highest priority. Each
 *  rule has a priority of its own. Pure. Shape: `number` stands for the list in its register.
 *  Errors: PUR_INVALID for a list of more rules than there are priorities. */
export function listFlows(list: FlatList, number: number): readonly Flow[] {
  if (list.rules.length > HIGHEST_PRIORITY - DEFAULT_PRIORITY) {
    throw new PurlinError('PUR_INVALID', {
      message: `a list of ${list.rules.length} rules does not fit into OpenFlow, which has ${HIGHEST_PRIORITY} priorities; merge rules or groups`,
    })
  }
  const table = tables[list.direction].list
  const defaultFlow: Flow = {
    table,
    priority: DEFAULT_PRIORITY,
    match: [noted('list', number)],
    actions: verdict(list, list.defaultAction),
    origin: `default/${list.direction}/${list.defaultAction}`,
  }
  const rules = list.rules.flatMap((rule, index) =>
    ruleFlows(list, rule, number, index).map(
      ({ match, actions }): Flow => ({
        table,
        priority: HIGHEST_PRIORITY - index,
        match: [noted('list', number), ...match],
        actions,
        origin: originOf(rule, list.direction),
      }),
    ),
  )
  return [...rules, defaultFlow]
}

function originOf({ provenance: { group, priority } }: FlatRule, direction: string): string {
  return priority === 'members' ? `${group}/members` : `${group}/${direction}/${priority}`
}

function verdict(list: FlatList, action: 'allow' | 'deny'): readonly FlowAction[] {
  return action === 'allow' ? [go(tables[list.direction].commit)] : drop
}

type Part = Pick<Flow, 'match' | 'actions'>

function ruleFlows(list: FlatList, rule: FlatRule, number: number, index: number): readonly Part[] {
  const actions = verdict(list, rule.action)
  return rule.families.flatMap((family) => {
    const base = baseMatch(rule, family)
    const peers = peerMatches(rule.peer, list, family)
    const ports = portMatches(rule)
    if (peers.length < CONJUNCTION_LEAST || ports.length < CONJUNCTION_LEAST) {
      return peers.flatMap((peer) =>
        ports.map((port) => ({ match: [...base, ...peer, ...port], actions })),
      )
    }
    // Of the list's number and the rule's place, and so another for every rule of every list; the
    // list is a condition of each of its flows, so two rules of equal number never meet.
    const id = Number.parseInt(shortHash(`conjunction ${number} ${index} ${family}`, 8), 16)
    const clause = (matches: readonly (readonly FieldMatch[])[], place: number): Part[] =>
      matches.map((match) => ({
        match: [...base, ...match],
        actions: [{ do: 'conjunction', id, clause: place, of: 2 }],
      }))
    return [
      ...clause(peers, 1),
      ...clause(ports, 2),
      { match: [...base, { field: 'conj_id', value: BigInt(id) }], actions },
    ]
  })
}

/** Family, protocol and ICMP type: conditions of which a rule has at most one each. */
function baseMatch({ protocol, icmp }: FlatRule, family: AddressFamily): readonly FieldMatch[] {
  if (protocol === 'all') return [etherType(family)]
  const base = protocolOf(family, protocol)
  if (icmp === undefined) return base
  const code: FieldMatch[] =
    icmp.code === undefined ? [] : [{ field: 'icmp_code', value: BigInt(icmp.code) }]
  return [...base, { field: 'icmp_type', value: BigInt(icmp.type) }, ...code]
}

/** One alternative per network of the other end; the addresses of groups are enumerated. */
function peerMatches(
  peer: FlatPeer | undefined,
  { direction, membership }: FlatList,
  family: AddressFamily,
): readonly (readonly FieldMatch[])[] {
  if (peer === undefined) return [[]]
  const members = peer.groups.flatMap((group) => [...membership.addressesOf(group, family)])
  const ranges = mergeAddressRanges([
    ...peer.ranges.filter((range) => range.family === family),
    ...members.map((value) => ({ family, first: value, last: value })),
  ])
  const side = direction === 'inbound' ? 'src' : 'dst'
  const field = family === 'ipv4' ? (`nw_${side}` as const) : (`ipv6_${side}` as const)
  return ranges.flatMap(addressMasks).map((network) => masked(field, network, addressBits(family)))
}

function portMatches({ ports, protocol }: FlatRule): readonly (readonly FieldMatch[])[] {
  const { tcp, udp, sctp } = protocolNumbers
  if (ports === undefined || ![tcp, udp, sctp].some((one) => one === protocol)) return [[]]
  return ports.flatMap(portMasks).map((port) => masked('tp_dst', port, 16))
}
