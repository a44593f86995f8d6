import { type AddressFamily, parseAddress } from '@purlin/base'
import type { AlwaysOpen } from '@purlin/schema'
import { hasPorts, type Packet } from '../packet.ts'
import type { Direction, FilteredNic } from './desired.ts'
import { protocolNumbers } from './protocol.ts'

/** The sorts of traffic that pass without a rule. */
export type BuiltInName =
  | 'dhcp-request'
  | 'dhcpv6-request'
  | 'dhcp-answer'
  | 'dhcpv6-answer'
  | 'router-advertisement'
  | 'neighbour-discovery'
  | 'icmp-error'

/** Traffic that passes the lists of a filtered NIC without a rule: without it a machine has no
 *  address. All parts that are present must fit. */
export interface BuiltIn {
  readonly name: BuiltInName
  readonly family: AddressFamily
  readonly protocol: number
  readonly sourcePort?: number
  readonly destinationPort?: number
  readonly icmpTypes?: readonly number[]
  /** Only from these addresses: the port group's own servers. */
  readonly sources?: readonly bigint[]
  /** Only errors about a flow that is known. */
  readonly related?: true
}

/** What passes of itself in one direction of a NIC, as far as its switches leave it on: the
 *  requests of a DHCP client (RFC 2131, RFC 8415), the answers of the port group's own server and
 *  the router's advertisements from nobody else (RFC 4861, type 134), neighbour discovery (types
 *  133, 135, 136), ICMP errors about known flows. Nothing else: listener reports (IGMP, MLD) follow
 *  the lists. Pure. */
export function builtInsOf(
  nic: Pick<FilteredNic, 'alwaysOpen' | 'servers'>,
  direction: Direction,
): readonly BuiltIn[] {
  const on = nic.alwaysOpen
  const servers = nic.servers.map(({ address }) => parseAddress(address))
  const serversOf = (family: AddressFamily): readonly bigint[] =>
    servers.flatMap((one) => (one?.family === family ? [one.value] : []))
  const ofServers = direction === 'inbound' ? answers(on, serversOf('ipv4'), serversOf('ipv6')) : []
  const requests = direction === 'outbound' && on.dhcpRequests ? clientRequests : []
  return [
    ...requests,
    ...ofServers.filter(({ sources }) => sources === undefined || sources.length > 0),
    ...(on.neighbourDiscovery ? neighbourDiscovery : []),
    ...(on.icmpErrors ? icmpErrors : []),
  ]
}

const { udp, icmp, icmpv6 } = protocolNumbers

const clientRequests: readonly BuiltIn[] = [
  { name: 'dhcp-request', family: 'ipv4', protocol: udp, sourcePort: 68, destinationPort: 67 },
  { name: 'dhcpv6-request', family: 'ipv6', protocol: udp, sourcePort: 546, destinationPort: 547 },
]

const neighbourDiscovery: readonly BuiltIn[] = [
  { name: 'neighbour-discovery', family: 'ipv6', protocol: icmpv6, icmpTypes: [133, 135, 136] },
]

const icmpErrors: readonly BuiltIn[] = [
  { name: 'icmp-error', family: 'ipv4', protocol: icmp, related: true },
  { name: 'icmp-error', family: 'ipv6', protocol: icmpv6, related: true },
]

function answers(
  on: AlwaysOpen,
  ipv4: readonly bigint[],
  ipv6: readonly bigint[],
): readonly BuiltIn[] {
  const dhcp: readonly BuiltIn[] = [
    {
      name: 'dhcp-answer',
      family: 'ipv4',
      protocol: udp,
      sourcePort: 67,
      destinationPort: 68,
      sources: ipv4,
    },
    {
      name: 'dhcpv6-answer',
      family: 'ipv6',
      protocol: udp,
      sourcePort: 547,
      destinationPort: 546,
      sources: ipv6,
    },
  ]
  const router: readonly BuiltIn[] = [
    {
      name: 'router-advertisement',
      family: 'ipv6',
      protocol: icmpv6,
      icmpTypes: [134],
      sources: ipv6,
    },
  ]
  return [...(on.dhcpAnswers ? dhcp : []), ...(on.routerAdvertisements ? router : [])]
}

/** The first of them that lets the packet pass, or undefined. */
export function builtInFor(open: readonly BuiltIn[], packet: Packet): BuiltIn | undefined {
  return open.find((one) => one.family === packet.family && fits(one, packet))
}

function fits(one: BuiltIn, packet: Packet): boolean {
  const { sourcePort, destinationPort, icmpTypes, sources } = one
  if (one.protocol !== packet.protocol) return false
  if (one.related === true && packet.state !== 'related') return false
  const ported = hasPorts(packet.protocol)
  if (sourcePort !== undefined && !(ported && packet.sourcePort === sourcePort)) return false
  if (destinationPort !== undefined && !(ported && packet.destinationPort === destinationPort)) {
    return false
  }
  if (icmpTypes !== undefined && !icmpTypes.includes(packet.icmp?.type ?? -1)) return false
  return sources === undefined || sources.includes(packet.source)
}
