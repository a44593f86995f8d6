import test from 'ava'
import type { NetfilterDesired } from '../policy/desired.ts'
import { desiredOf, sampleGroup, sampleNic } from '../testing/sample.ts'
import { comparePolicies } from './compare-policies.ts'

const tcp = { family: 'ipv4', protocol: 'tcp', action: 'allow' }
const nics = [sampleNic('a', ['web']), sampleNic('b', ['web']), sampleNic('c', ['db'])]

function hostWith(inbound: readonly object[], outbound: readonly object[] = []): NetfilterDesired {
  const web = sampleGroup({ allowWithinGroup: false, inbound, outbound })
  return desiredOf(nics, { web, db: sampleGroup({ allowWithinGroup: false }) })
}

const changesAt = (port: string, before: NetfilterDesired, after: NetfilterDesired) =>
  comparePolicies(before, after).changes.filter((change) => change.port === port)

test('the same policy changes nothing', (t) => {
  const rules = [{ ...tcp, ports: ['80'] }]
  t.deepEqual(comparePolicies(hostWith(rules), hostWith(rules)).changes, [])
})

test('a rule of other words for the same packets changes nothing', (t) => {
  const before = hostWith([{ ...tcp, ports: ['80-85'], source: { cidrs: ['10.0.0.0/8'] } }])
  const after = hostWith([
    { ...tcp, ports: ['80', '81-85'], source: { cidrs: ['10.0.0.0/9', '10.128.0.0/9'] } },
  ])
  t.deepEqual(comparePolicies(before, after).changes, [])
})

test('a new rule is told as what it opens beyond what was open', (t) => {
  const before = hostWith([{ ...tcp, ports: ['80'] }])
  const after = hostWith([
    { ...tcp, ports: ['80'] },
    { ...tcp, ports: ['79-82'], source: { cidrs: ['10.1.0.0/16'] } },
  ])
  t.deepEqual(changesAt('a.eth0', before, after), [
    {
      port: 'a.eth0',
      direction: 'inbound',
      family: 'ipv4',
      change: 'newly-allowed',
      peer: { addresses: ['10.1.0.0-10.1.255.255'], groups: [] },
      protocols: ['tcp'],
      destinationPorts: ['79', '81-82'],
      before: 'default',
      after: 'web/inbound/1',
    },
  ])
})

test('a deny put before an allow is told as what it closes', (t) => {
  const allow = { family: 'ipv4', protocol: 'all', action: 'allow' }
  const deny = { family: 'ipv4', protocol: 'icmp', icmp: { type: 8 }, action: 'deny' }
  const [change, ...others] = changesAt('a.eth0', hostWith([allow]), hostWith([deny, allow]))
  t.deepEqual(others, [])
  t.like(change, { change: 'newly-denied', protocols: ['icmp'], icmp: ['8'] })
  t.is(change?.peer, undefined)
})

test('a group is named where all of its members are meant', (t) => {
  const rules = [{ ...tcp, ports: ['22'], source: { groups: ['web'] } }]
  const [change] = changesAt('a.eth0', hostWith([]), hostWith(rules))
  t.deepEqual(change?.peer, { addresses: [], groups: ['web'] })
})

test('who joins a group is told by its address', (t) => {
  const rules = [{ ...tcp, ports: ['22'], source: { groups: ['db'] } }]
  const before = hostWith(rules)
  const own = before.members.get('db') ?? []
  const joined = [...own, { ipv4: ['10.9.0.77'], ipv6: [] }]
  const after = { ...before, members: new Map([...before.members, ['db', joined]]) }
  const [change, ...others] = changesAt('a.eth0', before, after)
  t.deepEqual(others, [])
  t.like(change, { change: 'newly-allowed', peer: { addresses: ['10.9.0.77'] } })
})

test('another default is told as everything that no rule decides', (t) => {
  const before = hostWith([{ ...tcp, ports: ['80'] }])
  const open = before.nics.map((nic) => ({
    ...nic,
    defaultPolicy: { ...nic.defaultPolicy, inbound: 'allow' as const },
  }))
  const changes = changesAt('a.eth0', before, { ...before, nics: open })
  t.true(
    changes.every(({ change, before: was, after: is }) => {
      return change === 'newly-allowed' && was === 'default' && is === 'default'
    }),
  )
  const closed = changes.flatMap(({ destinationPorts = [] }) => destinationPorts)
  t.deepEqual(closed, ['0-79', '81-65535'])
})

test('a NIC that comes or goes is named', (t) => {
  const before = hostWith([])
  const { addedPorts, removedPorts } = comparePolicies(before, {
    ...before,
    nics: [...nics.slice(1), sampleNic('d', ['web'])],
  })
  t.deepEqual([addedPorts, removedPorts], [['d.eth0'], ['a.eth0']])
})
