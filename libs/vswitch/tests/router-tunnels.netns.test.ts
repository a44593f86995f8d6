import test from 'ava'
import {
  type Flow,
  outsideOf,
  type PortDesired,
  type SwitchDesired,
  type VswitchDesired,
} from '../src/index.ts'
import { addressesOf, type Placed, routedHost, routerOf } from './support/routed.ts'
import { type HostName, type RoutedFleet, startRoutedFleet } from './support/routed-fleet.ts'
import { keyOf, macOf } from './support/scenario.ts'

/** Its tap is a port of the switch itself. */
const near: Placed = { number: 50, portGroup: 'web', host: 'one' }
const outside: Placed = { number: 1, portGroup: 'public', host: 'one' }
const far: Placed = { number: 51, portGroup: 'web', host: 'two' }
const database: Placed = { number: 60, portGroup: 'db', host: 'two' }
const placed = [near, outside, far, database]
const FLOATING = '192.0.2.50'

const edge = routerOf({
  portGroups: ['web', 'db'],
  external: {
    portGroup: 'public',
    nextHops: ['192.0.2.1'],
    hosts: [{ host: 'two', addresses: ['192.0.2.12'] }],
  },
  floatingAddresses: [{ address: FLOATING, to: 'vm-60.eth0' }],
})
const UNDERLAY = { one: '203.0.113.1', two: '203.0.113.2' } as const

function switchOf(host: HostName): SwitchDesired {
  const other = host === 'one' ? 'two' : 'one'
  return {
    name: 'dvs0',
    mtu: 1400,
    uplinks: ['up0'],
    overlay: {
      type: 'vxlan',
      udpPort: 4789,
      underlay: `${UNDERLAY[host]}/24`,
      peers: [{ host: other, address: UNDERLAY[other] }],
      networks: [100, 200, 400].map((vlan) => ({ vlan, key: 5_000 + vlan })),
      stations: [],
    },
  }
}

let fleet: RoutedFleet

/** Flows that let everything pass between a direct port and its network. */
function openFlows({ devices, vlan }: PortDesired): readonly Flow[] {
  const outside = outsideOf('dvs0')
  const tagged = { field: 'vlan_vid', value: 0x1000n | BigInt(vlan) } as const
  const way = (match: Flow['match'], actions: Flow['actions'], origin: string): Flow => {
    return { table: 0, priority: 10, match, actions, origin }
  }
  return [
    way(
      [{ field: 'in_port', value: devices.tap }],
      [
        { do: 'tag', vlan },
        { do: 'output', port: outside },
      ],
      'test/out',
    ),
    way(
      [{ field: 'in_port', value: outside }, tagged],
      [{ do: 'untag' }, { do: 'output', port: devices.tap }],
      'test/in',
    ),
  ]
}

function desiredOf(host: HostName): VswitchDesired {
  const desired = routedHost(host, placed, [edge], switchOf(host))
  const mtu = 1400
  const ports = desired.ports.map((port): PortDesired => {
    const isDirect = port.mac === macOf(near.number)
    return { ...port, mtu, ...(isDirect && { path: 'direct' }) }
  })
  const flows = ports.filter(({ path }) => path === 'direct').flatMap(openFlows)
  return {
    ...desired,
    host,
    portGroups: desired.portGroups.map((group) => ({ ...group, mtu })),
    ports,
    ...(flows.length > 0 && { directFlows: { dvs0: flows } }),
  }
}

test.before(async () => {
  fleet = await startRoutedFleet(placed, desiredOf)
})

test.after.always(async () => {
  await fleet?.stop()
})

test.serial(
  'in tunnels the gateway is on every host, and routes to machines of the other',
  async (t) => {
    for (const index of [0, 1] as const) {
      t.is((await fleet.ask(near, addressesOf(far)[index], 80))?.[0], addressesOf(near)[index])
      t.is((await fleet.ask(near, addressesOf(database)[index], 80))?.[0], addressesOf(near)[index])
      t.is((await fleet.ask(database, addressesOf(near)[index], 80))?.[2], addressesOf(near)[index])
    }
    t.is((await fleet.ask(outside, FLOATING, 80))?.[2], addressesOf(database)[0])
    t.is((await fleet.ask(far, addressesOf(outside)[0], 80))?.[0], '192.0.2.12')
    t.is(await fleet.ask(near, addressesOf(outside)[0], 80), null, 'a host without an address')
  },
)

test.serial('in tunnels each host leases to its own machines', async (t) => {
  for (const machine of [near, far]) {
    const { number } = machine
    const words = ['dhcp4', macOf(number), '5000']
    const lease = await fleet.hostOf(machine).call('client', keyOf(number), ...words)
    t.like(lease, { address: addressesOf(machine)[0], router: '10.1.0.1', mtu: 1400 })
  }
})
