import test from 'ava'
import { checkDocument } from '../check/document.ts'
import { distributedSwitch, switchOnHost } from './distributed-switch.ts'

const problemsOf = (spec: object): readonly string[] =>
  (checkDocument({ kind: 'DistributedSwitch', name: 'dvs0', spec }).problems ?? []).map(
    ({ path, message }) => `${path}: ${message}`,
  )
const bond = { name: 'bond0', mode: 'active-backup', members: ['eth1', 'eth2'] }

test('a switch of plain uplinks is what it always was', (t) => {
  const { spec } = distributedSwitch.parse({
    kind: 'DistributedSwitch',
    name: 'dvs0',
    spec: { uplinks: ['eth1'] },
  })
  t.deepEqual(spec, {
    ...{ mtu: 1500, transport: 'vlan', uplinks: ['eth1'], bonds: [], hosts: [] },
    confirmSeconds: 0,
  })
})

test('what a host says of itself holds there, and what is said for all elsewhere', (t) => {
  const { spec } = distributedSwitch.parse({
    kind: 'DistributedSwitch',
    name: 'dvs0',
    spec: { uplinks: ['eth1'], hosts: [{ host: 'two', uplinks: ['bond0'], bonds: [bond] }] },
  })
  t.deepEqual(switchOnHost(spec, 'one'), { uplinks: ['eth1'], bonds: [] })
  t.deepEqual(switchOnHost(spec, 'two').uplinks, ['bond0'])
})

for (const [spec, problem] of [
  [{ uplinks: ['eth1', 'bond0'], bonds: [bond] }, /eth1 is in bond bond0 already/],
  [{ uplinks: [], bonds: [bond] }, /bond0 is named by no uplink/],
  [{ uplinks: ['eth1', 'eth1'] }, /eth1 is in uplinks already/],
  [{ transport: 'vxlan', hosts: [{ host: 'one' }] }, /vxlan tunnels end there/],
  [{ hosts: [{ host: 'one' }, { host: 'one' }] }, /one is listed twice/],
  [{ hosts: [{ host: 'one', underlay: '192.0.2.1' }] }, /must be an address with its network/],
  [{ uplinks: ['no good'] }, /must be the name of a network interface/],
] as const) {
  test(`refused: ${problem.source}`, (t) => {
    t.true(
      problemsOf(spec).some((one) => problem.test(one)),
      problemsOf(spec).join('; '),
    )
  })
}
