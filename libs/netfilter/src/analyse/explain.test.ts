import test from 'ava'
import { sampleDesired } from '../testing/sample.ts'
import { explainPacket } from './explain.ts'

test('names the rule that decides and why each earlier one did not match', (t) => {
  const answer = explainPacket(sampleDesired, {
    from: 'c',
    to: 'b/eth0',
    protocol: 'tcp',
    destinationPort: 1500,
  })
  t.is(answer.verdict, 'deny')
  t.deepEqual(answer.decidedBy, {
    type: 'rule',
    group: 'web',
    priority: 2,
    nic: 'b/eth0',
    direction: 'inbound',
  })
  t.snapshot(answer)
})

test('an end is written as machine, machine/nic, machine.nic or address', (t) => {
  const ask = (to: string) =>
    explainPacket(sampleDesired, { from: '10.9.0.99', to, protocol: 'tcp', destinationPort: 80 })
  for (const to of ['b', 'b/eth0', 'b.eth0', '10.9.0.11']) {
    t.like(ask(to), { verdict: 'allow', decidedBy: { group: 'web', priority: 0, nic: 'b/eth0' } })
  }
})

test('the family follows an address, and icmp with ipv6 is ICMPv6', (t) => {
  const answer = explainPacket(sampleDesired, { from: 'd', to: 'fd09::b', protocol: 'icmp' })
  t.like(answer.decidedBy, { type: 'members', group: 'web' })
  t.is(
    answer.sentence,
    'd -> fd09::b ipv6 icmp type 128: allow, by the members rule of group web in the inbound list of b/eth0',
  )
})

test('a packet of an established flow passes in both directions, of a refused one in none', (t) => {
  const state = 'established' as const
  const answerOf = (from: string, to: string, sourcePort: number, destinationPort: number) =>
    explainPacket(sampleDesired, { from, to, protocol: 'tcp', sourcePort, destinationPort, state })
  t.like(answerOf('10.9.0.99', 'b', 40_000, 80), {
    verdict: 'allow',
    decidedBy: { type: 'established' },
  })
  t.like(answerOf('a', 'd', 80, 40_000), { verdict: 'deny', decidedBy: { type: 'default' } })
  t.like(answerOf('b', 'a', 22, 40_000), { verdict: 'allow', decidedBy: { type: 'established' } })
})

test('a DHCP request and neighbour discovery always pass', (t) => {
  const dhcp = { protocol: 'udp', sourcePort: 68, destinationPort: 67 } as const
  t.like(explainPacket(sampleDesired, { from: 'a', to: '10.9.0.1', ...dhcp }), {
    verdict: 'allow',
    decidedBy: { type: 'builtIn' },
  })
  t.like(
    explainPacket(sampleDesired, { from: 'fe80::1', to: 'a', protocol: 'icmp', icmpType: 135 }),
    { verdict: 'allow', decidedBy: { type: 'builtIn' } },
  )
})

test('a NIC without groups decides nothing', (t) => {
  t.like(explainPacket(sampleDesired, { from: '10.9.0.99', to: 'c', protocol: 'tcp' }), {
    verdict: 'allow',
    decidedBy: { type: 'unfiltered', nic: 'c/eth0' },
  })
})

test('an unknown end is refused with what is known', (t) => {
  const error = t.throws(() =>
    explainPacket(sampleDesired, { from: 'x', to: 'b', protocol: 'tcp' }),
  )
  t.like(error, {
    code: 'PUR_INVALID',
    message: 'from: "x" is no address and no known NIC; known: a/eth0, b/eth0, c/eth0, d/eth0',
  })
})

test('ends of two families are refused', (t) => {
  t.throws(
    () => explainPacket(sampleDesired, { from: '10.9.0.1', to: 'fd09::b', protocol: 'tcp' }),
    { message: /fd09::b is ipv6, the packet is ipv4/ },
  )
})
