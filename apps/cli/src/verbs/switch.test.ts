import { operations, storedSchemaOf } from '@purlin/schema'
import test from 'ava'
import { fixedAgent, type Routes } from '../../tests/agent.ts'
import { NOW_MS, run } from '../../tests/run.ts'
import { samples, taskOf } from '../../tests/samples.ts'
import { testLines } from '../../tests/shown.ts'
import { rateText } from '../views/topology.ts'

const [plain] = samples.switches
const dvs0 = storedSchemaOf('DistributedSwitch').parse({
  ...plain,
  spec: {
    mtu: 9000,
    transport: 'vxlan',
    uplinks: ['bond0'],
    bonds: [{ name: 'bond0', mode: 'active-backup', members: ['eth1', 'eth2'] }],
    hosts: [
      { host: 'one', underlay: '192.0.2.1/24' },
      { host: 'two', underlay: '192.0.2.2/24', uplinks: ['eth9'], bonds: [] },
    ],
  },
})
const limited = {
  ...samples.portGroups[1],
  spec: {
    ...samples.portGroups[1]?.spec,
    isolated: true,
    qos: { inbound: { kbitPerSecond: 10_000 } },
    mirrors: [{ name: 'to <ids>', direction: 'both', to: { port: 'ids.eth0' } }],
  },
}
const way = { bytes: 5_000_000, packets: 4_000, errors: 0 }
const listTraffic = operations.listTraffic.answer.parse({
  measuredAtMs: NOW_MS,
  items: [
    {
      ...{ subject: 'port', name: 'db-1.eth0', switch: 'dvs0', inbound: way, outbound: way },
      ...{ dropped: [], inboundBitsPerSecond: 1_000, outboundBitsPerSecond: 0 },
    },
    {
      ...{ subject: 'port', name: 'web-1.eth0', switch: 'dvs0', inbound: way },
      outbound: { bytes: 900, packets: 9, errors: 3 },
      dropped: [{ reason: 'rate-limit', direction: 'outbound', packets: 12 }],
      ...{ inboundBitsPerSecond: 9_420_000, outboundBitsPerSecond: 1_500 },
    },
    {
      ...{ subject: 'uplink', name: 'bond0', switch: 'dvs0', inbound: way, outbound: way },
      ...{ dropped: [], inboundBitsPerSecond: 0, outboundBitsPerSecond: 0 },
    },
  ],
})
const sample = (atMs: number, inboundBytes: number) => ({
  ...{ atMs, inboundBytes, outboundBytes: 0, inboundPackets: 1, outboundPackets: 0 },
  ...{ dropped: 0, errors: 0 },
})
const moving = { from: 'one', to: 'two', phase: 'preparing', untilMs: NOW_MS }
const path = (vlan: number, from: string, to: string, state: string) => {
  return { vlan, from, uplink: 'eth1', to, state, by: state === 'dropped' ? [] : ['eth1'] }
}
const matrix = operations.probeSwitch.answer.parse({
  ...{ switch: 'dvs0', mtu: 9_000, absent: [{ host: 'three', reason: 'its agent is away' }] },
  paths: [
    path(0, 'one', 'two', 'reachable'),
    path(0, 'two', 'one', 'mtu-too-small'),
    path(100, 'one', 'two', 'dropped'),
    path(100, 'two', 'one', 'reachable'),
  ],
})
const routes: Routes = {
  'GET /v1/distributed-switches': [200, { items: [dvs0] }],
  'GET /v1/distributed-switches/dvs0': [200, dvs0],
  'GET /v1/port-groups': [200, { items: [samples.portGroups[0], limited] }],
  'GET /v1/ports': [200, { items: samples.ports }],
  'GET /v1/virtual-machines': [200, { items: samples.machines }],
  'GET /v1/network/traffic': [200, listTraffic],
  'GET /v1/network/traffic/port/web-1.eth0': [
    200,
    {
      ...{ subject: 'port', name: 'web-1.eth0' },
      samples: [sample(NOW_MS - 10_000, 1_000), sample(NOW_MS, 2_251_000)],
    },
  ],
  'POST /v1/network/ports/web-1.eth0/move': [
    200,
    { virtualMachine: 'web-1', ports: ['web-1.eth0'], move: moving },
  ],
  'POST /v1/network/ports/web-1.eth0/move/cancel': [
    200,
    { virtualMachine: 'web-1', ports: ['web-1.eth0'] },
  ],
  'POST /v1/network/switches/dvs0/probe': [200, matrix],
  'POST /v1/network/switches/dvs0/confirm': [200, { switch: 'dvs0', confirmed: true }],
  'PUT /v1/distributed-switches/dvs1': [202, taskOf({ verb: 'put' })],
  'PUT /v1/port-groups/web': [202, taskOf({ verb: 'put' })],
}

testLines(routes, [
  'switch list',
  'switch show dvs0',
  'switch show dvs0 -o svg',
  'switch list -o svg',
  'switch confirm dvs0',
  'switch probe dvs0',
  'port move web-1.eth0 --to two',
  'port move web-1.eth0 --cancel',
  'port move web-1.eth0',
  'portgroup list',
  'port list',
  'port history web-1.eth0',
  'top net',
  'top net --sort dropped --of port --count 1',
])

test('a switch and a port group are made of their flags, and never over one that stands', async (t) => {
  await using agent = await fixedAgent(routes)
  const made = async (line: string) =>
    await run(line.split(' '), { environment: { PURLIN_SOCKET: agent.socketPath } })
  const bond = '--bond bond0=lacp:eth1,eth2'
  t.is((await made(`switch create dvs1 --no-wait --mtu 9000 ${bond}`)).exitCode, 0)
  const limits = '--limit-in 1000 --limit-out 2000 --subnet 10.1.0.0/24'
  t.is((await made(`portgroup create web --no-wait --switch dvs1 --vlan 7 ${limits}`)).exitCode, 0)
  t.snapshot(
    agent.seen.map(({ method, path, body, headers }) => [
      method,
      path,
      body,
      headers?.['if-match'],
    ]),
  )
  t.is((await made('switch create dvs1 --bond bond0=odd:eth1')).exitCode, 2)
})

test('rates are told in the unit that fits', (t) => {
  t.deepEqual([0, 999, 1_000, 9_420_000, 123_456_789_000].map(rateText), [
    '0 bit/s',
    '999 bit/s',
    '1 kbit/s',
    '9.4 Mbit/s',
    '123 Gbit/s',
  ])
})
