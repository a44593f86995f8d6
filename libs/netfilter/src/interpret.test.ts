import { parseAddress } from '@purlin/base'
import type { InboundRule } from '@purlin/schema'
import test from 'ava'
import { verdictBetween } from './analyse/verdict-between.ts'
import { flatten } from './flatten.ts'
import { type Decision, interpret } from './interpret.ts'
import type { Packet } from './packet.ts'
import { desiredOf, sampleDesired, sampleGroup, sampleNic } from './testing/sample.ts'

const address = (text: string): bigint => parseAddress(text)?.value ?? -1n

const tcp = (port: number, source = '10.9.0.99'): Packet => ({
  family: source.includes(':') ? 'ipv6' : 'ipv4',
  source: address(source),
  destination: address(source.includes(':') ? 'fd09::b' : '10.9.0.11'),
  protocol: 6,
  sourcePort: 40_000,
  destinationPort: port,
})

const decide = test.macro({
  title: (title) => `a rule ${title}`,
  exec(t, rule: object, packet: Packet, expected: 'allow' | 'deny') {
    const group = sampleGroup({
      allowWithinGroup: false,
      inbound: [{ family: 'ipv4', protocol: 'tcp', action: 'allow', ...rule } as InboundRule],
    })
    const desired = desiredOf([sampleNic('b', ['g']), sampleNic('d', ['g'])], { g: group })
    const [nic] = desired.nics
    t.truthy(nic)
    if (nic) t.is(interpret(flatten(nic, 'inbound', desired), packet), expected)
  },
})

const icmp = (type: number, code = 0): Packet => ({
  family: 'ipv4',
  source: address('10.9.0.99'),
  destination: address('10.9.0.11'),
  protocol: 1,
  icmp: { type, code },
})

test('without a peer means anyone', decide, {}, tcp(80), 'allow')
test('that is switched off does not decide', decide, { enabled: false }, tcp(80), 'deny')
test('of the other family does not match', decide, {}, tcp(80, 'fd09::99'), 'deny')
test('of protocol 6 is a rule of tcp', decide, { protocol: 6 }, tcp(80), 'allow')
test('of udp does not match tcp', decide, { protocol: 'udp' }, tcp(80), 'deny')
test('of all matches tcp', decide, { protocol: 'all' }, tcp(80), 'allow')
test('matches the first port of a range', decide, { ports: ['80-90'] }, tcp(80), 'allow')
test('matches the last port of a range', decide, { ports: ['80-90'] }, tcp(90), 'allow')
test('does not match behind its range', decide, { ports: ['80-90'] }, tcp(91), 'deny')
test(
  'with ports does not match where the port is unknown',
  decide,
  { ports: ['80'] },
  { ...tcp(80), destinationPort: undefined },
  'deny',
)
test(
  'matches a network it names',
  decide,
  { source: { cidrs: ['10.9.0.96/29'] } },
  tcp(80),
  'allow',
)
test(
  'matches an address range it names',
  decide,
  { source: { ranges: ['10.9.0.90-10.9.0.99'] } },
  tcp(80),
  'allow',
)
test(
  'matches any of its peers',
  decide,
  { source: { addresses: ['10.9.0.1'], groups: ['g'] } },
  tcp(80, '10.9.0.13'),
  'allow',
)
test('of a group does not match a stranger', decide, { source: { groups: ['g'] } }, tcp(80), 'deny')
test('of self matches a member', decide, { source: { self: true } }, tcp(80, '10.9.0.13'), 'allow')
test('of icmp matches every type', decide, { protocol: 'icmp' }, icmp(13), 'allow')
test(
  'of one icmp type does not match another',
  decide,
  { protocol: 'icmp', icmp: { type: 8 } },
  icmp(13),
  'deny',
)
test(
  'of an icmp type without a code matches every code',
  decide,
  { protocol: 'icmp', icmp: { type: 3 } },
  icmp(3, 4),
  'allow',
)
test(
  'of an icmp code does not match another code',
  decide,
  { protocol: 'icmp', icmp: { type: 3, code: 1 } },
  icmp(3, 4),
  'deny',
)

const nicOf = (letter: string) => sampleDesired.nics.find((nic) => nic.port === `${letter}.eth0`)

const flow = test.macro({
  title: (
    _title,
    from: string,
    to: string,
    port: number,
    expected: 'allow' | 'deny',
    by: Decision['type'],
  ) => `${from} to ${to} port ${port}: ${expected} by ${by}`,
  exec(
    t,
    from: string,
    to: string,
    port: number,
    expected: 'allow' | 'deny',
    by: Decision['type'],
  ) {
    for (const family of ['ipv4', 'ipv6'] as const) {
      const sender = nicOf(from)
      const receiver = nicOf(to)
      const packet: Packet = {
        family,
        source: address(sender?.[family][0] ?? ''),
        destination: address(receiver?.[family][0] ?? ''),
        protocol: 6,
        destinationPort: port,
      }
      const answer = verdictBetween(sampleDesired, sender, receiver, packet)
      t.is(answer.verdict, expected)
      t.is(answer.deciding?.direction, 'inbound')
      t.is(answer.decidedBy.type, by)
    }
  },
})

test(flow, 'a', 'b', 80, 'allow', 'rule')
test(flow, 'a', 'b', 22, 'allow', 'rule')
test(flow, 'c', 'b', 22, 'deny', 'default')
test(flow, 'c', 'b', 1500, 'deny', 'rule')
test(flow, 'a', 'b', 1500, 'allow', 'rule')
test(flow, 'c', 'b', 2500, 'allow', 'rule')
test(flow, 'a', 'b', 3000, 'allow', 'rule')
test(flow, 'a', 'b', 3500, 'deny', 'rule')
test(flow, 'd', 'b', 3500, 'allow', 'members')
test(flow, 'b', 'a', 22, 'deny', 'default')

test('the sender may refuse what the receiver would take', (t) => {
  const sender = {
    ...sampleNic('d', ['web']),
    defaultPolicy: { inbound: 'deny', outbound: 'deny' },
  } as const
  const stranger = sampleNic('b', ['web', 'ops'])
  const desired = { ...sampleDesired, members: new Map() }
  const answer = verdictBetween(desired, sender, stranger, {
    family: 'ipv4',
    source: address('10.9.0.13'),
    destination: address('10.9.0.11'),
    protocol: 6,
    destinationPort: 80,
  })
  t.is(answer.verdict, 'deny')
  t.is(answer.deciding?.direction, 'outbound')
  t.deepEqual(
    answer.ends.map((end) => end.verdict),
    ['deny', 'allow'],
  )
})
