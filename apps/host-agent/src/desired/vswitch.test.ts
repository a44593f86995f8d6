import { type Catalogue, catalogueOf, resourceKey, type StoredRecord } from '@purlin/service'
import test from 'ava'
import { admitApply } from '../admit/change.ts'
import { netfilterDesired } from './netfilter.ts'
import { vswitchDesired } from './vswitch.ts'

const machine = (name: string, host: string, nic: object = {}): object => ({
  kind: 'VirtualMachine',
  name,
  spec: {
    ...{ cpus: 1, memoryMiB: 128, image: 'probe', host },
    nics: [{ name: 'eth0', portGroup: 'prod', addresses: [], ...nic }],
  },
})
const dvs0 = {
  kind: 'DistributedSwitch',
  name: 'dvs0',
  spec: {
    transport: 'vxlan',
    uplinks: ['eth1'],
    confirmSeconds: 30,
    hosts: [
      { host: 'one', underlay: '192.0.2.1/24' },
      {
        ...{ host: 'two', underlay: '192.0.2.2/24', uplinks: ['bond0'] },
        bonds: [{ name: 'bond0', mode: 'lacp', members: ['eth1', 'eth2'] }],
      },
    ],
  },
}
const group = (spec: object): object => ({
  kind: 'PortGroup',
  name: 'prod',
  spec: { switch: 'dvs0', vlan: 100, subnets: [{ cidr: '10.0.0.0/24' }], ...spec },
})

function catalogue(...documents: object[]): Catalogue {
  const change = admitApply(catalogueOf(new Map(), 0), documents, ['probe'], 1)
  const records = change.changes.flatMap(({ kind, name, after }) =>
    after === undefined ? [] : [[resourceKey(kind, name), { ...after, revision: 1 }] as const],
  )
  return catalogueOf(new Map<string, StoredRecord>(records), 1)
}

test('a host has its own uplinks, and tunnels to the others that go by where machines are', (t) => {
  const all = catalogue(dvs0, group({}), machine('a', 'one'), machine('b', 'two'))
  const [one] = vswitchDesired(all, 'one').switches
  t.deepEqual(one?.uplinks, ['eth1'])
  t.is(one?.confirmSeconds, 30)
  t.is(one?.overlay?.underlay, '192.0.2.1/24')
  t.is(one?.overlay?.udpPort, 4789)
  t.deepEqual(one?.overlay?.peers, [{ host: 'two', address: '192.0.2.2' }])
  t.deepEqual(one?.overlay?.networks, [{ vlan: 100, key: 100 }])
  t.deepEqual(
    one?.overlay?.stations.map(({ vlan, host }) => [vlan, host]),
    [[100, 'two']],
  )
  const [two] = vswitchDesired(all, 'two').switches
  t.deepEqual(two?.bonds, [{ name: 'bond0', mode: 'lacp', members: ['eth1', 'eth2'] }])
  const [elsewhere] = vswitchDesired(all, 'three').switches
  t.is(elsewhere?.overlay, undefined, 'a host without an address has no tunnels')
})

test('limits, mirrors and isolation of a port group reach its ports here', (t) => {
  const qos = { outbound: { kbitPerSecond: 10_000 } }
  const mirrors = [{ name: 'ids', to: { address: '192.0.2.9' } }]
  const all = catalogue(
    dvs0,
    group({ qos, mirrors, isolated: true }),
    machine('a', 'one'),
    machine('b', 'two'),
  )
  const found = vswitchDesired(all, 'one')
  t.deepEqual(found.ports[0]?.qos, qos)
  t.true(found.ports[0]?.isolated)
  t.deepEqual(found.mirrors?.[0]?.ports, ['a.eth0'])
  t.is(found.isolation?.[0]?.macs.length, 2, 'of every host')
})

const allowed = {
  ...{ family: 'ipv4', protocol: 'tcp', ports: ['80'], action: 'allow' },
  source: { cidrs: ['0.0.0.0/0'] },
}

test('a direct port that has come of late takes connections up in their middle', (t) => {
  const all = catalogue(
    dvs0,
    group({ ports: 'direct', securityGroups: ['web'] }),
    { kind: 'SecurityGroup', name: 'web', spec: { inbound: [allowed] } },
    machine('a', 'one'),
    machine('b', 'one'),
  )
  const policy = netfilterDesired(all, undefined, 'one')
  const takenUp = (arrived: readonly string[]) => {
    const flows = vswitchDesired(all, 'one', policy, new Set(arrived)).directFlows?.dvs0 ?? []
    const own = flows.filter(({ origin }) => origin.endsWith('/taken-up'))
    return [...new Set(own.map(({ match }) => Number(match[0]?.value)))]
  }
  t.deepEqual(takenUp([]), [])
  t.deepEqual(takenUp(['b.eth0']), [policy.nics.find(({ port }) => port === 'b.eth0')?.zone ?? 0])
})

test('a direct port has its groups as flows of the switch', (t) => {
  const all = catalogue(
    dvs0,
    group({ ports: 'direct', securityGroups: ['web'] }),
    { kind: 'SecurityGroup', name: 'web', spec: { inbound: [allowed] } },
    machine('a', 'one'),
    machine('b', 'one', { port: 'filterable' }),
  )
  const policy = netfilterDesired(all, undefined, 'one')
  t.deepEqual(policy.nics[0]?.groups, ['web'], 'by its port group')
  const found = vswitchDesired(all, 'one', policy)
  t.deepEqual(
    found.ports.map(({ port, path }) => [port, path]),
    [
      ['a.eth0', 'direct'],
      ['b.eth0', undefined],
    ],
  )
  const flows = found.directFlows?.dvs0 ?? []
  t.true(flows.some(({ origin }) => origin.startsWith('web')))
  const tap = found.ports[0]?.devices.tap
  t.true(flows.some(({ match }) => match.some(({ value }) => value === tap)))
  t.is(vswitchDesired(catalogue(dvs0, group({})), 'one', policy).directFlows, undefined)
})
