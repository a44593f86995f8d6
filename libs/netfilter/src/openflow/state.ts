import type { FlatList } from '../flatten.ts'
import type { BuiltIn } from '../policy/built-in.ts'
import type { Direction } from '../policy/desired.ts'
import { protocolNumbers } from '../policy/protocol.ts'
import {
  drop,
  type FieldMatch,
  type Flow,
  type FlowAction,
  go,
  note,
  noted,
  tables,
} from './flow.ts'
import { connection, etherType, icmpv6, protocolOf, tcpFlags } from './match.ts'

const FAMILIES = ['ipv4', 'ipv6'] as const
const DIRECTIONS = ['outbound', 'inbound'] as const
/** ICMPv6 that connection tracking calls invalid or nothing at all, in each datapath: multicast
 *  listeners and neighbour discovery. Sent through it, IPv6 would not work. */
const UNTRACKED_TYPES = [130, 131, 132, 133, 134, 135, 136, 143]

const RELATED = connection({ tracked: true, related: true, invalid: false })

/** Where a frame goes after the list of a direction. */
const next = { outbound: tables.destination, inbound: tables.deliver } as const

type Place = (priority: number, match: readonly FieldMatch[], actions: Flow['actions']) => Flow

/** The walk around the lists that all NICs share: what connection tracking says, and the verdict of
 *  the list where it says `new`. Pure. */
export function sharedStateFlows(): readonly Flow[] {
  return DIRECTIONS.flatMap((direction) => [
    ...entryFlows(direction),
    ...connectionFlows(direction),
    ...commitFlows(direction),
  ])
}

/** By these the TCP connections of a NIC are taken up in their middle, as far as its lists let them
 *  begin: it has come from a host whose connection tracking could not be read. Pure. Shape: `zone`
 *  is the NIC's. */
export function takeUpFlows(zone: number): readonly Flow[] {
  const inItsMiddle = tcpFlags({ syn: false, rst: false })
  return DIRECTIONS.flatMap((direction) => {
    const at = placed(tables[direction].state, `${direction}/taken-up`)
    return FAMILIES.map((family) =>
      at(
        87,
        [noted('zone', zone), ...protocolOf(family, protocolNumbers.tcp), inItsMiddle],
        [go(tables[direction].list)],
      ),
    )
  })
}

/** What passes the list of a NIC without a rule. Pure. Shape: `zone` is the NIC's. */
export function openFlows({ direction, open }: FlatList, zone: number): readonly Flow[] {
  const { entry, state, commit } = tables[direction]
  const pass = [go(next[direction])]
  return open.flatMap((one) => {
    const origin = `open/${one.name}`
    return matchesOf(one).map((match) => {
      const own = [noted('zone', zone), ...match]
      if (one.related === true) return placed(state, origin)(90, [RELATED, ...own], pass)
      const untracked = one.icmpTypes?.every((type) => UNTRACKED_TYPES.includes(type)) === true
      return untracked
        ? placed(entry, origin)(70, own, pass)
        : placed(state, origin)(80, own, [go(commit)])
    })
  })
}

/** One alternative per ICMP type and source address. */
function matchesOf(one: BuiltIn): readonly (readonly FieldMatch[])[] {
  const { family, sourcePort, destinationPort } = one
  const port = (field: 'tp_src' | 'tp_dst', number: number | undefined): FieldMatch[] =>
    number === undefined ? [] : [{ field, value: BigInt(number) }]
  const base = [
    ...protocolOf(family, one.protocol),
    ...port('tp_src', sourcePort),
    ...port('tp_dst', destinationPort),
  ]
  const field = family === 'ipv4' ? 'nw_src' : 'ipv6_src'
  const sources = one.sources?.map((value): FieldMatch[] => [{ field, value }]) ?? [[]]
  const types = one.icmpTypes?.map((type): FieldMatch[] => [
    { field: 'icmp_type', value: BigInt(type) },
  ]) ?? [[]]
  return sources.flatMap((source) => types.map((type) => [...base, ...type, ...source]))
}

function entryFlows(direction: Direction): readonly Flow[] {
  const { entry, state, list } = tables[direction]
  const at = placed(entry, `${direction}/entry`)
  const pass = [go(next[direction])]
  return [
    placed(entry, `${direction}/no-list`)(90, [noted('list', 0)], pass),
    at(80, [etherType('arp')], pass),
    at(80, [etherType('rarp')], pass),
    ...UNTRACKED_TYPES.map((type) => at(60, icmpv6(type), [note('untracked', 1), go(list)])),
    ...FAMILIES.map((family) => at(50, [etherType(family)], [{ do: 'track', table: state }])),
    at(0, [], drop),
  ]
}

function connectionFlows(direction: Direction): readonly Flow[] {
  const { state, list } = tables[direction]
  const { tcp, udp: datagrams, icmp, icmpv6: icmp6 } = protocolNumbers
  const known = { ipv4: [tcp, datagrams, icmp], ipv6: [tcp, datagrams, icmp6] }
  const pass = [go(next[direction])]
  const established = placed(state, `${direction}/established`)
  const syn = placed(state, `${direction}/syn-first`)
  return [
    // Of protocols that the userspace datapath cannot follow each packet is a new one to the lists.
    ...FAMILIES.flatMap((family) =>
      known[family].map((protocol) =>
        placed(state, `${direction}/invalid`)(
          100,
          [connection({ tracked: true, invalid: true }), ...protocolOf(family, protocol)],
          drop,
        ),
      ),
    ),
    established(90, [connection({ tracked: true, established: true, invalid: false })], pass),
    ...FAMILIES.flatMap((family) => [
      syn(
        86,
        [...protocolOf(family, tcp), tcpFlags({ syn: true, ack: false, fin: false, rst: false })],
        [go(list)],
      ),
      syn(85, protocolOf(family, tcp), drop),
    ]),
    placed(state, `${direction}/new`)(0, [], [go(list)]),
  ]
}

function commitFlows(direction: Direction): readonly Flow[] {
  const at = placed(tables[direction].commit, `${direction}/commit`)
  const pass: readonly FlowAction[] = [go(next[direction])]
  return [
    at(10, [noted('untracked', 1)], pass),
    ...FAMILIES.map((family) => at(1, [etherType(family)], [{ do: 'commit' }, ...pass])),
  ]
}

function placed(table: number, origin: string): Place {
  return (priority, match, actions) => ({ table, priority, match, actions, origin })
}
