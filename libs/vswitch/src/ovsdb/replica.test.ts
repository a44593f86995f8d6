import test from 'ava'
import { applyUpdates, emptyReplica } from './replica.ts'

const port = {
  name: 'pout-0000000a',
  interfaces: ['uuid', 'i1'],
  tag: 100,
  vlan_mode: 'access',
  trunks: ['set', []],
  external_ids: ['map', [['purlin:port', 'web-1.eth0']]],
}

test('a row is told whole, changed and told gone', (t) => {
  const told = applyUpdates(emptyReplica, { Port: { p1: { new: port } } })
  t.deepEqual(told.ports.get('p1'), {
    id: 'p1',
    name: 'pout-0000000a',
    interfaces: ['i1'],
    tag: 100,
    vlanMode: 'access',
    trunks: [],
    externalIds: { 'purlin:port': 'web-1.eth0' },
    bondMode: undefined,
    lacp: undefined,
    isProtected: false,
    qos: undefined,
  })
  const changed = applyUpdates(told, { Port: { p1: { new: { ...port, tag: ['set', []] } } } })
  t.is(changed.ports.get('p1')?.tag, undefined)
  t.is(told.ports.get('p1')?.tag, 100, 'the replica before is as it was')
  t.is(applyUpdates(changed, { Port: { p1: {} } }).ports.size, 0)
  t.is(changed.bridges, emptyReplica.bridges, 'untouched tables are shared')
})

test('the root row tells what was asked for and what was applied', (t) => {
  const columns = {
    bridges: [
      'set',
      [
        ['uuid', 'b1'],
        ['uuid', 'b2'],
      ],
    ],
    next_cfg: 7,
    cur_cfg: 6,
  }
  const told = applyUpdates(emptyReplica, { Open_vSwitch: { r: { new: columns } } })
  t.deepEqual(told.root, {
    id: 'r',
    bridges: ['b1', 'b2'],
    nextConfiguration: 7,
    currentConfiguration: 6,
  })
})

test('an interface that could not be opened keeps its reason', (t) => {
  const columns = { name: 'x', type: '', ofport: -1, error: 'could not open', mtu_request: 1500 }
  const told = applyUpdates(emptyReplica, { Interface: { i: { new: columns } } })
  t.like(told.interfaces.get('i'), { ofport: -1, error: 'could not open', mtuRequest: 1500 })
})
