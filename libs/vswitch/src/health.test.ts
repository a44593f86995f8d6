import test from 'ava'
import { switchHealth } from './health.ts'
import type { InterfaceObserved, SwitchPortObserved, VswitchObserved } from './observed.ts'

const device = (name: string, linkState: string, lacpCurrent?: boolean): InterfaceObserved => ({
  ...{ name, type: '', options: {}, ofport: 1, error: undefined, linkState, mtu: 1500 },
  lacpCurrent,
})
const uplink = (name: string, ...interfaces: InterfaceObserved[]): [string, SwitchPortObserved] => [
  name,
  {
    ...{ name, bridge: 'dvs0', tag: undefined, vlanMode: undefined, trunks: [], ofport: 1 },
    ...{ externalIds: { 'purlin:uplink': 'dvs0' }, interfaceIds: {}, error: undefined },
    ...{ interfaces, bondMode: undefined, lacp: undefined, isProtected: false, limit: undefined },
  },
]
const hostWith = (...uplinks: [string, SwitchPortObserved][]): VswitchObserved => ({
  bridges: new Map([
    [
      'dvs0',
      {
        ...{ name: 'dvs0', datapathType: 'netdev', failMode: 'standalone', mtuRequest: 1500 },
        ...{ externalIds: { 'purlin:switch': 'dvs0' }, mirrors: [], flowExports: [] },
      },
    ],
  ]),
  switchPorts: new Map(uplinks),
  ...{ links: new Map(), services: new Map(), routers: new Map(), filterable: true },
  pipelines: new Map([['dvs0', { committed: 'x', intact: true, foreignFlows: 2 }]]),
  datapathType: 'netdev',
})
const stateOf = (...interfaces: InterfaceObserved[]): string | undefined =>
  switchHealth(hostWith(uplink('bond0', ...interfaces))).get('dvs0')?.uplinks[0]?.state

test('a bond is up with every member, degraded with some, down with none', (t) => {
  t.is(stateOf(device('a', 'up'), device('b', 'up')), 'up')
  t.is(stateOf(device('a', 'up'), device('b', 'down')), 'degraded')
  t.is(stateOf(device('a', 'down'), device('b', 'down')), 'down')
  t.is(stateOf(device('a', 'up', true), device('b', 'up', false)), 'degraded', 'LACP leaves it out')
})

test('the datapath and flows of others are shown', (t) => {
  const health = switchHealth(hostWith()).get('dvs0')
  t.deepEqual(health, { datapath: 'netdev', uplinks: [], foreignFlows: 2 })
})
