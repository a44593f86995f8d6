import { parseAddress } from '@purlin/base'
import type { SecurityGroupSpec } from '@purlin/schema'
import test from 'ava'
import type { NetfilterDesired } from '../policy/desired.ts'
import { markClass } from '../target/names.ts'
import { desiredOf, sampleGroup, sampleNic } from '../testing/sample.ts'
import type { TrackedConnection } from './connection.ts'
import { connectionsToEnd } from './connections-to-end.ts'

interface Named extends TrackedConnection {
  readonly name: string
}

const zoneOf: Readonly<Record<string, number>> = { a: 10, b: 11, c: 12, elsewhere: 900 }

/** An entry of a NIC's zone: who began it and where it went, as `a -> b tcp 80`. */
function entry(zone: string, flow: string, mark = 0): Named {
  const [from = '', , to = '', word = '', port = '0'] = flow.split(' ')
  const source = parseAddress(addressOf(from))
  const protocol = { tcp: 6, udp: 17, icmp: source?.family === 'ipv6' ? 58 : 1 }[word] ?? 0
  return {
    name: `${zone}: ${flow}`,
    zone: zoneOf[zone] ?? 0,
    mark,
    original: {
      family: source?.family ?? 'ipv4',
      source: source?.value ?? 0n,
      destination: parseAddress(addressOf(to))?.value ?? 0n,
      protocol,
      ...(word === 'icmp'
        ? { icmp: { type: Number(port), code: 0 } }
        : { sourcePort: 40_000, destinationPort: Number(port) }),
    },
  }
}

function addressOf(name: string): string {
  const address = { a: '10.9.0.10', b: '10.9.0.11', c: '10.9.0.12', b6: 'fd09::b', a6: 'fd09::a' }
  return address[name as keyof typeof address] ?? name
}

const open = (rule: object): object => ({ family: 'ipv4', action: 'allow', ...rule })
const web80 = open({ protocol: 'tcp', ports: ['80'] })
const web443 = open({ protocol: 'tcp', ports: ['443'] })
const deny80 = { ...web80, action: 'deny' }

const group = (inbound: readonly object[], rest: object = {}): SecurityGroupSpec =>
  sampleGroup({ allowWithinGroup: false, inbound, ...rest })

/** NICs a (no groups) and b (the groups given, in order); c only where it is a member. */
function policy(
  groups: Readonly<Record<string, SecurityGroupSpec>>,
  order: readonly string[] = Object.keys(groups),
): NetfilterDesired {
  return desiredOf([sampleNic('a', []), sampleNic('b', order)], groups)
}

const names = (
  before: NetfilterDesired | undefined,
  after: NetfilterDesired,
  entries: readonly Named[],
): readonly string[] => connectionsToEnd(before, after, entries).map((one) => one.name)

test('exactly the connections that the new policy refuses end, at both ends', (t) => {
  const entries = [
    entry('b', 'a -> b tcp 80'),
    entry('a', 'a -> b tcp 80'),
    entry('b', 'a -> b tcp 443'),
    entry('a', 'a -> b tcp 443'),
    entry('b', 'b -> a tcp 80'),
    entry('b', '10.9.0.99 -> b tcp 80'),
    entry('elsewhere', 'a -> b tcp 80'),
  ]
  t.deepEqual(
    names(policy({ web: group([web80, web443]) }), policy({ web: group([web443]) }), entries),
    ['b: a -> b tcp 80', 'a: a -> b tcp 80', 'b: 10.9.0.99 -> b tcp 80'],
  )
})

test('UDP and pings, of either family, are judged by their first packet', (t) => {
  const udp = open({ protocol: 'udp', ports: ['53'] })
  const ping = open({ protocol: 'icmp', icmp: { type: 8 } })
  const ping6 = { family: 'ipv6', action: 'allow', protocol: 'icmp', icmp: { type: 128 } }
  const entries = [
    entry('b', 'a -> b udp 53'),
    entry('b', 'a -> b icmp 8'),
    entry('b', 'a6 -> b6 icmp 128'),
    entry('b', 'b6 -> a6 icmp 128'),
  ]
  const before = policy({ web: group([udp, ping, ping6]) })
  t.deepEqual(names(before, policy({ web: group([udp, ping]) }), entries), ['b: a6 -> b6 icmp 128'])
  t.deepEqual(names(before, policy({ web: group([ping6]) }), entries), [
    'b: a -> b udp 53',
    'b: a -> b icmp 8',
  ])
})

test('a member that leaves loses the connections that only its membership allowed', (t) => {
  const db = group([open({ protocol: 'tcp', ports: ['80'], source: { groups: ['web'] } })])
  const groups = { db, web: group([]) }
  const member = { ipv4: ['10.9.0.10'], ipv6: [] }
  const before = policy(groups, ['db'])
  const withMember = { ...before, members: new Map(before.members).set('web', [member]) }
  const entries = [entry('b', 'a -> b tcp 80')]
  t.deepEqual(names(withMember, withMember, entries), [])
  t.deepEqual(names(withMember, before, entries), ['b: a -> b tcp 80'])
})

test('the group whose rule let it begin and no longer does is asked whether it goes on', (t) => {
  const entries = [entry('b', 'a -> b tcp 80')]
  const kept = { keepEstablished: true }
  const before = policy({ web: group([web80], kept), ops: group([]) })
  t.deepEqual(names(before, policy({ web: group([], kept), ops: group([]) }), entries), [])
  t.deepEqual(
    names(
      policy({ web: group([web80]), ops: group([], kept) }),
      policy({ web: group([]), ops: group([], kept) }),
      entries,
    ),
    ['b: a -> b tcp 80'],
  )
})

test('a group that begins to deny what another allows is asked instead', (t) => {
  const entries = [entry('b', 'a -> b tcp 80')]
  const kept = { keepEstablished: true }
  const before = policy({ ops: group([], kept), web: group([web80]) })
  t.deepEqual(
    names(before, policy({ ops: group([deny80], kept), web: group([web80]) }), entries),
    [],
  )
  t.deepEqual(
    names(
      policy({ ops: group([]), web: group([web80], kept) }),
      policy({ ops: group([deny80]), web: group([web80], kept) }),
      entries,
    ),
    ['b: a -> b tcp 80'],
  )
})

test('what a change of the NIC refuses ends whatever its groups keep', (t) => {
  const entries = [entry('b', 'a -> b tcp 80')]
  const kept = { keepEstablished: true }
  const groups = { web: group([web80], kept), ops: group([deny80], kept) }
  const ended = ['b: a -> b tcp 80']
  t.deepEqual(names(policy(groups), policy(groups, ['ops', 'web']), entries), ended, 'reordered')
  t.deepEqual(names(policy(groups), policy(groups, []), entries), [], 'without groups')
  t.deepEqual(names(policy(groups, []), policy(groups, ['ops']), entries), ended, 'attached')
  t.deepEqual(names(policy(groups), policy(groups, ['ops']), entries), ended, 'detached')
})

test('what was refused already, or nobody knows, stays where a group of the NIC keeps', (t) => {
  const entries = [entry('b', 'a -> b tcp 80')]
  const kept = policy({ web: group([], { keepEstablished: true }) })
  const cutting = policy({ web: group([]) })
  t.deepEqual(names(undefined, kept, entries), [])
  t.deepEqual(names(kept, kept, entries), [])
  t.deepEqual(names(undefined, cutting, entries), ['b: a -> b tcp 80'])
  t.deepEqual(names(cutting, cutting, entries), ['b: a -> b tcp 80'])
})

test('where both ends may be its own, the mark of the first packet says which list began it', (t) => {
  const pods = { ...sampleNic('b', ['web']), allowedAddresses: ['10.244.0.0/16'] }
  const after = desiredOf([pods], { web: group([]) })
  const flow = '10.244.1.5 -> 10.244.2.3 tcp 80'
  t.deepEqual(names(undefined, after, [entry('b', flow, markClass.outbound + 11)]), [])
  t.deepEqual(names(undefined, after, [entry('b', flow, markClass.inbound + 11)]), [`b: ${flow}`])
  t.deepEqual(names(undefined, after, [entry('b', flow)]), [])
})

test('what always passes does not end: DHCP answers of the own server', (t) => {
  const nic = {
    ...sampleNic('b', ['web']),
    servers: [{ mac: '52:54:00:00:00:01', address: '10.9.0.1' }],
  }
  const after = desiredOf([nic], { web: group([]) })
  const answer = entry('b', '10.9.0.1 -> b udp 68')
  const original = { ...answer.original, sourcePort: 67 }
  t.deepEqual(names(undefined, after, [{ ...answer, original }]), [])
})
