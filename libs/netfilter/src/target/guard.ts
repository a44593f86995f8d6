import { type AddressRange, parseAddress, shortHash } from '@purlin/base'
import type { CompiledNic } from '../compile/ruleset.ts'
import { protocolNumbers } from '../policy/protocol.ts'
import { mergeAddressRanges } from '../policy/ranges.ts'
import { counter, ends, etherType, is, isNoneOf } from './build.ts'
import type { Unit } from './list.ts'
import { guardStem } from './names.ts'
import type { Rule, Statement, ValueRange } from './statement.ts'
import { ruleText } from './text.ts'

const DHCP_SERVER = 67
const DHCP_CLIENT = 68
const DHCPV6_SERVER = 547
const DHCPV6_CLIENT = 546
const icmpType = { redirect: 5, routerAdvertisement: 9 } as const
const icmpv6Type = { routerAdvertisement: 134, neighbourAdvertisement: 136, redirect: 137 } as const

/** The chain of a NIC's guards. Its content is in its name. */
export function guardUnit(nic: CompiledNic, variant: number): Unit {
  const rules = guardRules(nic)
  const text = rules.map((rule) => `${rule.id} ${ruleText(rule)}`).join('\n')
  const stem = guardStem(nic.port, shortHash(text, 8))
  return { stem, chains: [{ table: 'bridge', name: `${stem}_${variant}`, rules }], sets: [] }
}

/** What a machine may send at all, whatever its groups: its own MAC and addresses (and those that
 *  it is allowed beside them), and nothing that only a router or a DHCP server says, as far as the
 *  NIC's guards are on. RARP passes with the NIC's own MAC: QEMU announces a machine with it
 *  after a migration. */
export function guardRules(nic: CompiledNic): readonly Rule[] {
  const { guards } = nic
  const macs = [...new Set([nic.mac, ...nic.allowedMacs])]
  const ipv4 = rangesOf(nic, 'ipv4')
  const ipv6 = rangesOf(nic, 'ipv6')
  return [
    ...(guards.mac ? [drops('mac', ...isNoneOf('ether saddr', macs))] : []),
    passes('rarp', is('ether type', etherType.rarp)),
    drops('type', ...isNoneOf('ether type', [etherType.ipv4, etherType.arp, etherType.ipv6])),
    ...(guards.arp ? arpRules(macs, ipv4) : []),
    passes('dhcp-client', ofIpv4, is('ip saddr', 0n), ...udp(DHCP_CLIENT, DHCP_SERVER)),
    ...(guards.ipv4Source ? ipv4Rules(ipv4) : []),
    ...(guards.dhcpServer ? dhcpRules : []),
    ...(guards.router ? routerRules : []),
    ...(guards.ipv6Source ? among('ipv6', [ofIpv6], 'ip6 saddr', ipv6) : []),
    ...(guards.neighbourAdvertisement ? neighbourRules(ipv6) : []),
  ]
}

const ofIpv4 = is('meta protocol', etherType.ipv4)
const ofIpv6 = is('meta protocol', etherType.ipv6)
const ofArp = is('ether type', etherType.arp)
const ofUdp = is('meta l4proto', protocolNumbers.udp)
const ofIcmp = [is('ether type', etherType.ipv4), is('meta l4proto', protocolNumbers.icmp)]
const ofIcmpv6 = [is('ether type', etherType.ipv6), is('meta l4proto', protocolNumbers.icmpv6)]

function drops(name: string, ...matches: readonly Statement[]): Rule {
  return { id: `guard/${name}`, statements: [...matches, counter, ends('drop')] }
}

function passes(name: string, ...matches: readonly Statement[]): Rule {
  return { id: `guard/${name}`, statements: [...matches, ends('return')] }
}

function udp(sourcePort: number, destinationPort: number): readonly Statement[] {
  return [ofUdp, is('th sport', sourcePort), is('th dport', destinationPort)]
}

function arpRules(macs: readonly string[], ipv4: readonly ValueRange[]): readonly Rule[] {
  return [
    drops('arp-mac', ofArp, ...isNoneOf('arp saddr ether', macs)),
    ...among('arp-ipv4', [ofArp], 'arp saddr ip', ipv4),
  ]
}

/** The address of nobody is a source only of a DHCP client, which has passed by then. */
function ipv4Rules(ipv4: readonly ValueRange[]): readonly Rule[] {
  const own = withoutNobody(ipv4)
  if (own.length === 0) return [drops('ipv4', is('ether type', etherType.ipv4))]
  return among('ipv4', [ofIpv4], 'ip saddr', own)
}

const dhcpRules: readonly Rule[] = [
  ...[DHCP_SERVER, DHCPV6_SERVER].map((port) => drops('dhcp-server', ofUdp, is('th sport', port))),
  ...[DHCP_CLIENT, DHCPV6_CLIENT].map((port) => drops('dhcp-answer', ofUdp, is('th dport', port))),
]

const routerRules: readonly Rule[] = [
  ...[icmpType.redirect, icmpType.routerAdvertisement].map((type) =>
    drops('router-ipv4', ...ofIcmp, is('icmp type', type)),
  ),
  ...[icmpv6Type.routerAdvertisement, icmpv6Type.redirect].map((type) =>
    drops('router', ...ofIcmpv6, is('icmpv6 type', type)),
  ),
]

function neighbourRules(ipv6: readonly ValueRange[]): readonly Rule[] {
  const advertised = is('icmpv6 type', icmpv6Type.neighbourAdvertisement)
  return among('neighbour', [...ofIcmpv6, advertised], 'icmpv6 target', withoutNobody(ipv6))
}

function withoutNobody(ranges: readonly ValueRange[]): readonly ValueRange[] {
  return ranges.flatMap(({ first, last }) => {
    if (first !== 0n) return [{ first, last }]
    return last === 0n ? [] : [{ first: 1n, last }]
  })
}

/** Drops what is not among the ranges; nothing is dropped where they are every address. */
function among(
  name: string,
  matches: readonly Statement[],
  field: 'arp saddr ip' | 'ip saddr' | 'ip6 saddr' | 'icmpv6 target',
  ranges: readonly ValueRange[],
): readonly Rule[] {
  const bits = field.startsWith('ip6') || field.startsWith('icmpv6') ? 128n : 32n
  const [first] = ranges
  // The address of nobody may have been left out.
  const isEvery = BigInt(first?.first ?? 2n) <= 1n && first?.last === (1n << bits) - 1n
  return isEvery ? [] : [drops(name, ...matches, ...isNoneOf(field, ranges))]
}

/** The addresses a NIC may speak for, and that of nobody, which asks for one: disjoint, in order,
 *  and joined where they touch. */
function rangesOf(nic: CompiledNic, family: 'ipv4' | 'ipv6'): readonly ValueRange[] {
  const own = ['::', '0.0.0.0', ...nic[family]].flatMap((text): AddressRange[] => {
    const address = parseAddress(text)
    if (address?.family !== family) return []
    return [{ family, first: address.value, last: address.value }]
  })
  const allowed = nic.allowedRanges.filter((range) => range.family === family)
  return mergeAddressRanges([...own, ...allowed]).map(({ first, last }) => ({ first, last }))
}
