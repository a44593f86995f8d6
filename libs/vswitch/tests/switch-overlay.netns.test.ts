import test from 'ava'
import type { OverlayDesired } from '../src/index.ts'
import { until } from './support/host.ts'
import { type Rig, startRig } from './support/rig.ts'
import type { RigMachine } from './support/rig-machine.ts'
import { addressOf, fleetDesired, fleetPort, startMachineOn } from './support/rig-scenario.ts'
import { macOf } from './support/scenario.ts'

const NAMES = ['one', 'two', 'three']
let rig: Rig
const machines: RigMachine[] = []

test.before(async () => {
  rig = await startRig(NAMES, 1)
})

test.after.always(async () => {
  await rig?.stop()
})

const underlayOf = (index: number): string => `192.0.2.${index + 1}`

/** Machine 1 and 4 in VLANs 100 and 200 on the first host, 2 and 5 on the second, 3 and 6 on the
 *  third. */
const portsOf = (index: number) => [fleetPort(index + 1, 100), fleetPort(index + 4, 200)]

function overlayOf(
  type: OverlayDesired['type'],
  index: number,
  rest: Partial<OverlayDesired> = {},
): OverlayDesired {
  return {
    type,
    udpPort: type === 'vxlan' ? 4789 : 6081,
    underlay: `${underlayOf(index)}/24`,
    peers: NAMES.flatMap((host, at) => (at === index ? [] : [{ host, address: underlayOf(at) }])),
    networks: [
      { vlan: 100, key: 70_100 },
      { vlan: 200, key: 70_200 },
    ],
    stations: [],
    ...rest,
  }
}

async function settleAll(
  type: OverlayDesired['type'],
  rest: Partial<OverlayDesired> = {},
): Promise<void> {
  await Promise.all(
    rig.hosts.map((host, index) =>
      host.settle(fleetDesired({ overlay: overlayOf(type, index, rest) }, portsOf(index))),
    ),
  )
}

for (const type of ['vxlan', 'geneve'] as const) {
  test.serial(`${type}: three hosts are one switch, VLANs apart, each with its key`, async (t) => {
    await settleAll(type)
    if (machines.length === 0) {
      for (const [index, host] of rig.hosts.entries()) {
        machines.push(await startMachineOn(host, index + 1))
        machines.push(await startMachineOn(host, index + 4))
      }
    }
    const [a, d, b] = machines
    t.true(await a?.reaches(addressOf(2), 6_000), 'first to second host')
    t.true(await a?.reaches(addressOf(3), 6_000), 'first to third host')
    t.true(await b?.reaches(addressOf(3), 6_000), 'second to third host')
    t.true(await d?.reaches(addressOf(5), 6_000), 'the other VLAN')
    t.false(await a?.reaches(addressOf(5), 1_000), 'and not between them')
    const [first] = rig.hosts
    const desired = fleetDesired({ overlay: overlayOf(type, 0) }, portsOf(0))
    t.deepEqual(await first?.plan(desired), [])
    const bridge = (await bridgeOf('ptun')) ?? ''
    await until(async () => /n_packets=[1-9].*tun_id=0x111d4/.test(await flowsOf(bridge)))
    t.pass('frames came with the key of VLAN 100')
  })
}

test.serial('a broadcast comes once to each machine: the mesh has no loop', async (t) => {
  const [a, , b, , c] = machines
  const before = await Promise.all([b, c].map(async (one) => (await one?.counted())?.received ?? 0))
  // Nobody has the address, so all that is seen are questions for it, of 42 bytes each.
  await a?.reaches('10.50.0.99', 800)
  const after = await Promise.all([b, c].map(async (one) => (await one?.counted())?.received ?? 0))
  for (const [index, bytes] of after.entries()) {
    const seen = bytes - (before[index] ?? 0)
    t.true(seen > 0 && seen <= 4 * 60, `${seen} bytes`)
  }
})

test.serial('frames for a machine that is known go to its host alone', async (t) => {
  const stations = [{ mac: macOf(2), vlan: 100, host: 'two' }]
  await settleAll('geneve', { stations })
  const bridge = (await bridgeOf('ptun')) ?? ''
  t.true(await machines[0]?.reaches(addressOf(2), 6_000))
  const known = `dl_dst=${macOf(2)}`
  await until(async () => /n_packets=[1-9]/.test(await flowsOf(bridge, known)))
  t.is((await flowsOf(bridge, known)).match(/output:/g)?.length, 1)
})

test.serial('a tunnel or a flow that is deleted is mended by event', async (t) => {
  const [first] = rig.hosts
  if (first === undefined) throw new Error('there is a first host')
  const desired = fleetDesired({ overlay: overlayOf('geneve', 0) }, portsOf(0))
  await first.settle(desired)
  await first.watch(desired)
  const bridge = (await bridgeOf('ptun')) ?? ''
  for (const damage of [
    () => first.ofctl('del-flows', bridge),
    () => first.vsctl('del-br', bridge),
    async () => first.vsctl('del-br', (await bridgeOf('pund')) ?? ''),
  ]) {
    await damage()
    await until(async () => (await first.plan(desired)).length === 0, 10_000)
    t.true(await machines[0]?.reaches(addressOf(3), 8_000))
  }
  await first.unwatch()
})

test.serial('an overlay that becomes VLANs leaves no part behind', async (t) => {
  for (const [index, host] of rig.hosts.entries()) {
    await host.settle(fleetDesired({}, portsOf(index)))
    t.is(await host.vsctl('list-br'), 'dvs0')
  }
  t.true(await machines[0]?.reaches(addressOf(2), 6_000))
})

async function bridgeOf(prefix: string): Promise<string | undefined> {
  const bridges = (await rig.hosts[0]?.vsctl('list-br'))?.split('\n') ?? []
  return bridges.find((name) => name.startsWith(prefix))
}

/** Flows of a bridge of the first host. Their counters are brought up to date twice a second. */
async function flowsOf(bridge: string, match = ''): Promise<string> {
  return (await rig.hosts[0]?.ofctl('dump-flows', bridge, match)) ?? ''
}
