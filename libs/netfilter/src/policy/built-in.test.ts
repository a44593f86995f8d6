import { parseAddress } from '@purlin/base'
import type { AlwaysOpen } from '@purlin/schema'
import test from 'ava'
import { flatten } from '../flatten.ts'
import { interpret } from '../interpret.ts'
import type { Packet } from '../packet.ts'
import { desiredOf, sampleGroup, sampleNic } from '../testing/sample.ts'
import type { Direction } from './desired.ts'

const servers = ['10.9.0.1', 'fe80::1'].map((address) => ({ mac: '52:54:00:00:00:ff', address }))
const closed = {
  ...sampleNic('b', ['g']),
  servers,
  defaultPolicy: { inbound: 'deny', outbound: 'deny' },
} as const

function verdict(direction: Direction, packet: Packet, switches: Partial<AlwaysOpen> = {}) {
  const nic = { ...closed, alwaysOpen: { ...closed.alwaysOpen, ...switches } }
  const desired = desiredOf([nic], { g: sampleGroup({ allowWithinGroup: false }) })
  return interpret(flatten(nic, direction, desired), packet)
}

const from = (source: string, destination: string) => {
  const [one, other] = [parseAddress(source), parseAddress(destination)]
  return {
    family: one?.family ?? 'ipv4',
    source: one?.value ?? 0n,
    destination: other?.value ?? 0n,
  }
}

const udp = (
  ends: ReturnType<typeof from>,
  sourcePort: number,
  destinationPort: number,
): Packet => {
  return { ...ends, protocol: 17, sourcePort, destinationPort }
}

const icmpv6 = (source: string, type: number): Packet => {
  return { ...from(source, 'ff02::1'), protocol: 58, icmp: { type, code: 0 } }
}

const passes = test.macro({
  title: (title) => `passes unless switched off: ${title}`,
  exec(t, direction: Direction, packet: Packet, name: keyof AlwaysOpen) {
    t.is(verdict(direction, packet), 'allow')
    t.is(verdict(direction, packet, { [name]: false }), 'deny')
  },
})

const follows = test.macro({
  title: (title) => `follows the lists: ${title}`,
  exec(t, direction: Direction, packet: Packet) {
    t.is(verdict(direction, packet), 'deny')
  },
})

const lease = udp(from('0.0.0.0', '255.255.255.255'), 68, 67)
const lease6 = udp(from('fe80::9', 'ff02::1:2'), 546, 547)
const answer = (source: string) => udp(from(source, '10.9.0.11'), 67, 68)
const answer6 = (source: string) => udp(from(source, 'fe80::9'), 547, 546)
const error: Packet = {
  ...from('10.1.1.1', '10.9.0.11'),
  protocol: 1,
  icmp: { type: 3, code: 4 },
  state: 'related',
}

test('the request of a DHCP client', passes, 'outbound', lease, 'dhcpRequests')
test('the request of a DHCPv6 client', passes, 'outbound', lease6, 'dhcpRequests')
test("the answer of the port group's server", passes, 'inbound', answer('10.9.0.1'), 'dhcpAnswers')
test('its DHCPv6 answer', passes, 'inbound', answer6('fe80::1'), 'dhcpAnswers')
test('its router advertisement', passes, 'inbound', icmpv6('fe80::1', 134), 'routerAdvertisements')
test('a neighbour solicitation', passes, 'inbound', icmpv6('fe80::7', 135), 'neighbourDiscovery')
test('a neighbour advertisement', passes, 'outbound', icmpv6('fe80::7', 136), 'neighbourDiscovery')
test('a router solicitation', passes, 'outbound', icmpv6('fe80::7', 133), 'neighbourDiscovery')
test('an ICMP error about a known flow', passes, 'inbound', error, 'icmpErrors')

test('the answer of another DHCP server', follows, 'inbound', answer('10.9.0.66'))
test('the answer of another DHCPv6 server', follows, 'inbound', answer6('fe80::66'))
test('the router advertisement of another', follows, 'inbound', icmpv6('fe80::66', 134))
test('a redirect of the router', follows, 'inbound', icmpv6('fe80::1', 137))
test('a DHCP request that comes in', follows, 'inbound', lease)
test('a DHCP answer that goes out', follows, 'outbound', answer('10.9.0.1'))
test('an ICMP error about nothing known', follows, 'inbound', { ...error, state: 'new' })
test('a report of multicast listeners', follows, 'outbound', icmpv6('fe80::7', 143))
test('an IGMP report', follows, 'outbound', { ...from('10.9.0.11', '224.0.0.22'), protocol: 2 })
test(
  'a question to a DNS server',
  follows,
  'outbound',
  udp(from('10.9.0.11', '10.9.0.1'), 40_000, 53),
)

test('a packet of an established flow passes, because the flow was allowed', (t) => {
  const packet = {
    ...udp(from('10.1.1.1', '10.9.0.11'), 53, 40_000),
    state: 'established' as const,
  }
  t.is(verdict('inbound', packet), 'allow')
  t.is(verdict('inbound', { ...packet, state: 'new' }), 'deny')
})
