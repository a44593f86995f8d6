import { addressBits, formatAddress, linkLocalOfMac, parseAddress } from '@purlin/base'
import type { FilteredNic } from '../policy/desired.ts'
import { protocolNumbers } from '../policy/protocol.ts'
import { drop, type FieldMatch, type Flow, go, type SwitchPortName, tables } from './flow.ts'
import type { Masked } from './masks.ts'
import { etherType, icmp, icmpv6, macValue, masked, networkOf, protocolOf } from './match.ts'

const FAMILIES = ['ipv4', 'ipv6'] as const
/** Ports of RFC 2131 and RFC 8415. */
const DHCP = { ipv4: { client: 68, server: 67 }, ipv6: { client: 546, server: 547 } } as const
const ICMP = { redirect: 5, routerAdvertisement: 9 } as const
const ICMPV6 = { routerAdvertisement: 134, neighbourAdvertisement: 136, redirect: 137 } as const
const MAC_MASK = (1n << 48n) - 1n

/** What a machine may send at all, whatever its groups. Flows match what is allowed, so each guard
 *  is its allowed frames and, below them, one flow that drops the rest and counts it. Pure. */
export function guardFlows(nic: FilteredNic, port: SwitchPortName): readonly Flow[] {
  return [...macFlows(nic, port), ...frameFlows(nic, port), ...neighbourFlows(nic, port)]
}

/** The condition that a frame came in by the port. */
export function from(port: SwitchPortName): FieldMatch {
  return { field: 'in_port', value: typeof port === 'number' ? BigInt(port) : port }
}

/** The MACs that a NIC may have beside its own. */
export function allowedMacs(nic: FilteredNic): readonly string[] {
  const macs = nic.allowedAddresses.filter((text) => networkOf(text) === undefined)
  return macs.map((mac) => mac.toLowerCase())
}

function macFlows(nic: FilteredNic, port: SwitchPortName): readonly Flow[] {
  const origin = 'guard/mac'
  const pass = [go(tables.guardFrame)]
  const at = (priority: number, match: readonly FieldMatch[], actions: Flow['actions']): Flow => ({
    table: tables.guardMac,
    priority,
    match: [from(port), ...match],
    actions,
    origin,
  })
  if (!nic.guards.mac) return [at(10, [], pass)]
  return [
    ...[nic.mac, ...allowedMacs(nic)].map((mac) =>
      at(10, [{ field: 'dl_src', value: macValue(mac) }], pass),
    ),
    at(1, [], drop),
  ]
}

function frameFlows(nic: FilteredNic, port: SwitchPortName): readonly Flow[] {
  const pass = [go(tables.outbound.entry)]
  const at = (
    priority: number,
    origin: string,
    match: readonly FieldMatch[],
    actions: Flow['actions'],
  ): Flow => ({
    table: tables.guardFrame,
    priority,
    match: [from(port), ...match],
    actions,
    origin,
  })
  const { guards } = nic
  const flows = [at(60, 'guard/rarp', [etherType('rarp')], pass)]
  flows.push(...arpMatches(nic).map((match) => at(60, 'guard/arp', match, pass)))
  if (guards.arp) flows.push(at(50, 'guard/arp', [etherType('arp')], drop))
  if (guards.dhcpServer) {
    for (const family of FAMILIES) {
      const { client, server } = DHCP[family]
      flows.push(
        at(60, 'guard/dhcp-server', [...datagram(family), sourcePort(server)], drop),
        at(60, 'guard/dhcp-answer', [...datagram(family), destinationPort(client)], drop),
      )
    }
  }
  if (guards.router) {
    const types = [ICMPV6.routerAdvertisement, ICMPV6.redirect].map(icmpv6)
    const types4 = [ICMP.redirect, ICMP.routerAdvertisement].map(icmp)
    flows.push(...[...types, ...types4].map((match) => at(60, 'guard/router', match, drop)))
  }
  const { client, server } = DHCP.ipv4
  const request = [...datagram('ipv4'), sourcePort(client), destinationPort(server)]
  flows.push(
    at(55, 'guard/dhcp-client', [...request, { field: 'nw_src', value: 0n }], pass),
    ...sourceMatches(nic, 'ipv4').map((match) => at(50, 'guard/ipv4', match, pass)),
    ...sourceMatches(nic, 'ipv6').map((match) =>
      at(50, 'guard/ipv6', match, [go(tables.guardNeighbour)]),
    ),
    at(40, 'guard/ipv4', [etherType('ipv4')], drop),
    at(40, 'guard/ipv6', [etherType('ipv6')], drop),
    at(1, 'guard/type', [], drop),
  )
  return flows
}

function neighbourFlows(nic: FilteredNic, port: SwitchPortName): readonly Flow[] {
  const advertisement = icmpv6(ICMPV6.neighbourAdvertisement)
  const at = (priority: number, match: readonly FieldMatch[], actions: Flow['actions']): Flow => ({
    table: tables.guardNeighbour,
    priority,
    match: [from(port), ...match],
    actions,
    origin: 'guard/neighbour',
  })
  const pass = [go(tables.outbound.entry)]
  if (!nic.guards.neighbourAdvertisement) return [at(1, [], pass)]
  return [
    ...ownNetworks(nic, 'ipv6').map((network) =>
      at(20, [...advertisement, ...masked('nd_target', network, 128)], pass),
    ),
    at(10, advertisement, drop),
    at(1, [], pass),
  ]
}

function datagram(family: 'ipv4' | 'ipv6'): readonly FieldMatch[] {
  return protocolOf(family, protocolNumbers.udp)
}

function sourcePort(port: number): FieldMatch {
  return { field: 'tp_src', value: BigInt(port) }
}

function destinationPort(port: number): FieldMatch {
  return { field: 'tp_dst', value: BigInt(port) }
}

/** ARP of its own MACs about its own addresses, or about none yet (RFC 5227, probes). */
function arpMatches(nic: FilteredNic): readonly (readonly FieldMatch[])[] {
  if (!nic.guards.arp) return [[etherType('arp')]]
  const senders: readonly Masked[] = [
    { value: 0n, mask: (1n << 32n) - 1n },
    ...ownNetworks(nic, 'ipv4'),
  ]
  return [nic.mac, ...allowedMacs(nic)].flatMap((mac) =>
    senders.map((sender) => [
      etherType('arp'),
      ...masked('arp_sha', { value: macValue(mac), mask: MAC_MASK }, 48),
      ...masked('arp_spa', sender, 32),
    ]),
  )
}

function sourceMatches(
  nic: FilteredNic,
  family: 'ipv4' | 'ipv6',
): readonly (readonly FieldMatch[])[] {
  const guarded = family === 'ipv4' ? nic.guards.ipv4Source : nic.guards.ipv6Source
  if (!guarded) return [[etherType(family)]]
  const field = family === 'ipv4' ? 'nw_src' : 'ipv6_src'
  const bits = addressBits(family)
  // A machine that looks for its address has none yet (RFC 4862).
  const unspecified = { value: 0n, mask: (1n << 128n) - 1n }
  const networks = [...ownNetworks(nic, family), ...(family === 'ipv6' ? [unspecified] : [])]
  return networks.map((network) => [etherType(family), ...masked(field, network, bits)])
}

/** What a NIC may send from: its addresses, the link-local one of its MAC, and what it is allowed
 *  beside them. */
function ownNetworks(nic: FilteredNic, family: 'ipv4' | 'ipv6'): readonly Masked[] {
  const own = family === 'ipv4' ? nic.ipv4 : nic.ipv6
  const linkLocal = formatAddress(linkLocalOfMac(nic.mac))
  const texts = new Set(
    [linkLocal, ...own, ...nic.allowedAddresses].map((text) => {
      const address = parseAddress(text)
      return address === undefined ? text : formatAddress(address)
    }),
  )
  return [...texts].flatMap((text) => {
    const network = networkOf(text)
    return network?.family === family ? [network] : []
  })
}
