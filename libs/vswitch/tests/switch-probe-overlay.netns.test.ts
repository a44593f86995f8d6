import test from 'ava'
import type { OverlayDesired, SwitchDesired } from '../src/index.ts'
import { pathsOf, probed } from './support/probed.ts'
import { type Rig, startRig } from './support/rig.ts'
import { fleetDesired, fleetPort } from './support/rig-scenario.ts'

const NAMES = ['one', 'two']
const VLANS = [0, 100]
let rig: Rig

test.before(async () => {
  rig = await startRig(NAMES, 1)
})

test.after.always(async () => {
  await rig?.stop()
})

const underlayOf = (index: number): string => `192.0.2.${index + 1}`

function overlayOf(type: OverlayDesired['type'], index: number): OverlayDesired {
  return {
    type,
    udpPort: type === 'vxlan' ? 4789 : 6081,
    underlay: `${underlayOf(index)}/24`,
    peers: NAMES.flatMap((host, at) => (at === index ? [] : [{ host, address: underlayOf(at) }])),
    networks: [
      { vlan: 0, key: 4_095 },
      { vlan: 100, key: 70_100 },
    ],
    stations: [],
  }
}

/** The switch of both hosts once it stands. */
async function settled(type: OverlayDesired['type']): Promise<readonly SwitchDesired[]> {
  const all = rig.hosts.map((_host, index) =>
    fleetDesired({ overlay: overlayOf(type, index) }, [fleetPort(index + 1, 100)]),
  )
  await Promise.all(rig.hosts.map((host, index) => host.settle(all[index] ?? fleetDesired({}, []))))
  return all.flatMap(({ switches }) => switches)
}

const WAYS = VLANS.flatMap((vlan) => [
  `${vlan} one/tunnel to two two`,
  `${vlan} two/tunnel to one one`,
])

for (const type of ['vxlan', 'geneve'] as const) {
  test.serial(`probes cross ${type} tunnels with each network's key, whole or small`, async (t) => {
    const switches = await settled(type)
    const paths = await probed(rig.hosts, switches, VLANS, 10_000)
    t.deepEqual(pathsOf(paths, 'reachable'), WAYS)
    // A frame of 1,500 bytes needs some fifty more underneath, which this way does not carry.
    await rig.physical.command('ip', 'link', 'set', 'two-up0', 'mtu', '1500')
    const small = await probed(rig.hosts, switches, VLANS)
    t.deepEqual(
      pathsOf(small, 'mtu-too-small').filter((way) => way.endsWith(' two')),
      WAYS.filter((way) => way.endsWith(' two')),
    )
    t.deepEqual(pathsOf(small, 'dropped'), [])
    await rig.physical.command('ip', 'link', 'set', 'two-up0', 'mtu', '1700')
  })
}

test.serial('tunnels that the underlay does not carry are dropped', async (t) => {
  const switches = await settled('geneve')
  await rig.physical.vsctl('set', 'port', 'two-up0', 'tag=999', 'vlan_mode=access')
  t.deepEqual(pathsOf(await probed(rig.hosts, switches, VLANS), 'dropped'), WAYS)
  await rig.physical.vsctl('clear', 'port', 'two-up0', 'tag')
  await rig.physical.vsctl('clear', 'port', 'two-up0', 'vlan_mode')
  const again = await probed(rig.hosts, switches, VLANS, 10_000)
  t.deepEqual(pathsOf(again, 'reachable'), WAYS)
})
