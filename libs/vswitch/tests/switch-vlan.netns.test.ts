import test from 'ava'
import { until } from './support/host.ts'
import { reachesFrom } from './support/reach.ts'
import { type Rig, type RigHost, startRig } from './support/rig.ts'
import type { RigMachine } from './support/rig-machine.ts'
import { addressOf, fleetDesired, fleetPort, startMachineOn } from './support/rig-scenario.ts'
import { keyOf, macOf } from './support/scenario.ts'

let rig: Rig
let one: RigHost
let two: RigHost
let machines: RigMachine[]

test.before(async () => {
  rig = await startRig(['one', 'two'], 2)
  const [first, second] = rig.hosts
  if (first === undefined || second === undefined) throw new Error('two hosts were started')
  one = first
  two = second
})

test.after.always(async () => {
  await rig?.stop()
})

const here = [fleetPort(1, 100), fleetPort(2, 200)]
const there = [fleetPort(3, 100), fleetPort(4, 200)]

test.serial('machines of a VLAN reach each other across hosts, and no other VLAN', async (t) => {
  await one.settle(fleetDesired({}, here))
  await two.settle(fleetDesired({}, there))
  machines = [
    await startMachineOn(one, 1),
    await startMachineOn(one, 2),
    await startMachineOn(two, 3),
    await startMachineOn(two, 4),
  ]
  const [a, b] = machines
  t.true(await a?.reaches(addressOf(3)))
  t.true(await b?.reaches(addressOf(4)))
  t.false(await a?.reaches(addressOf(4), 1_000), 'the other VLAN of the other host')
  t.false(await a?.reaches(addressOf(2), 1_000), 'the other VLAN of its own host')
})

test.serial(
  'a physical switch that does not carry the VLAN cuts it, and frames wear its tag',
  async (t) => {
    await rig.physical.vsctl('set', 'port', 'two-up0', 'trunks=200')
    const [a, b] = machines
    await a?.command('ip', 'neighbour', 'flush', 'all')
    t.false(await a?.reaches(addressOf(3), 1_000))
    t.true(await b?.reaches(addressOf(4)))
    await rig.physical.vsctl('clear', 'port', 'two-up0', 'trunks')
    t.true(await a?.reaches(addressOf(3)))
  },
)

test.serial('a trunk port hands its VLANs to the machine tagged, and no other', async (t) => {
  const trunk = fleetPort(7, 0, { trunk: [200] })
  await one.settle(fleetDesired({}, [...here, trunk]))
  const addresses = { 100: `${addressOf(8)}/24`, 200: `${addressOf(7)}/24` }
  const tagging = await rig.tagging(one, keyOf(7), addresses)
  await tagging.command('ip', 'link', 'set', 'vlan100', 'down')
  t.true(await reachesFrom(tagging, addressOf(4)), 'VLAN 200, across hosts')
  t.true(await reachesFrom(tagging, addressOf(2)), 'VLAN 200, same host')
  await tagging.command('ip', 'link', 'set', 'vlan200', 'down')
  await tagging.command('ip', 'link', 'set', 'vlan100', 'up')
  t.false(await reachesFrom(tagging, addressOf(3), 1_000), 'VLAN 100 is not in its trunk')
  await one.settle(fleetDesired({}, here))
})

test.serial(
  'isolated ports reach others of their VLAN and never each other, on any host',
  async (t) => {
    const isolated = (number: number) => fleetPort(number, 100, { isolated: true })
    const isolation = [{ switch: 'dvs0', vlan: 100, macs: [macOf(1), macOf(3), macOf(5)] }]
    const onOne = fleetDesired({}, [isolated(1), isolated(5), fleetPort(2, 100)], { isolation })
    const onTwo = fleetDesired({}, [isolated(3), fleetPort(4, 100)], { isolation })
    await one.settle(onOne)
    await two.settle(onTwo)
    const [a, b, , d] = machines
    const e = await startMachineOn(one, 5)
    t.true(await a?.reaches(addressOf(2)), 'a port that is not isolated, same host')
    t.true(await a?.reaches(addressOf(4)), 'and on the other host')
    t.true(await d?.reaches(addressOf(1)), 'which reaches it too')
    t.true(await b?.reaches(addressOf(3)))
    t.false(await a?.reaches(addressOf(5), 1_000), 'an isolated one of its own host')
    t.false(await e.reaches(addressOf(3), 1_000), 'an isolated one of the other host')
    t.false(await a?.reaches(addressOf(3), 1_000))
    t.deepEqual(await one.plan(onOne), [])
    await one.settle(fleetDesired({}, [...here, fleetPort(5, 100)]))
    await two.settle(fleetDesired({}, there))
    t.true(await a?.reaches(addressOf(3)), 'isolation ends with the wish')
  },
)

for (const mode of ['active-backup', 'balance-slb'] as const) {
  test.serial(`a bond of two NICs (${mode}) carries on when either leg fails`, async (t) => {
    const bonds = [{ name: 'bond0', mode, members: ['up0', 'up1'] }]
    const desired = fleetDesired({ uplinks: ['bond0'], bonds }, here)
    // The second leg of the other host stays out of it, so that the two switches have no loop.
    await one.settle(desired)
    t.deepEqual(await one.plan(desired), [])
    t.is(await one.vsctl('get', 'port', 'bond0', 'bond_mode'), mode)
    const [a] = machines
    t.true(await a?.reaches(addressOf(3), 6_000))
    for (const leg of ['one-up0', 'one-up1']) {
      await rig.physical.command('ip', 'link', 'set', leg, 'down')
      const nic = leg.slice('one-'.length)
      await until(async () => (await one.vsctl('get', 'interface', nic, 'link_state')) === 'down')
      t.true(await a?.reaches(addressOf(3), 8_000), `without ${leg}`)
      await rig.physical.command('ip', 'link', 'set', leg, 'up')
      await until(async () => (await one.vsctl('get', 'interface', nic, 'link_state')) === 'up')
    }
    await one.settle(fleetDesired({}, here))
    t.notRegex(await one.vsctl('list-ports', 'dvs0'), /bond0/)
    t.true(await a?.reaches(addressOf(3), 6_000), 'a single NIC again')
  })
}

test.serial('a deleted flow, port or bridge is mended by event and told', async (t) => {
  const desired = fleetDesired({}, here)
  await one.settle(desired)
  await one.watch(desired)
  const mended = async (what: string, damage: () => Promise<unknown>): Promise<void> => {
    await damage()
    const tookMs = await until(async () => (await one.plan(desired)).length === 0, 8_000)
    t.log(`${what}: mended after ${Math.round(tookMs)} ms`)
    t.true(await machines[0]?.reaches(addressOf(3), 6_000), what)
  }
  await mended('every flow', () => one.ofctl('del-flows', 'dvs0'))
  await mended('a port', () => one.vsctl('del-port', here[0]?.devices.outer ?? ''))
  await mended('an uplink', () => one.vsctl('del-port', 'up0'))
  await mended('the bridge', () => one.vsctl('del-br', 'dvs0'))
  const done = await one.unwatch()
  for (const words of [/^commit flows of dvs0/, /^plug vm-1/, /up0 is not in/, /it is missing/]) {
    t.true(
      done.some((summary) => words.test(summary)),
      `${words}: ${done.join('; ')}`,
    )
  }
})

test.serial('flows and mirrors of others stay', async (t) => {
  await one.ofctl('add-flow', 'dvs0', 'priority=7,dl_dst=02:00:00:00:00:99,actions=drop')
  await one.vsctl(
    '--',
    '--id=@m',
    'create',
    'mirror',
    'name=theirs',
    '--',
    'set',
    'bridge',
    'dvs0',
    'mirrors=@m',
  )
  await one.settle(fleetDesired({}, here))
  await one.settle(fleetDesired({}, [fleetPort(1, 100)]))
  t.regex(await one.ofctl('dump-flows', 'dvs0', 'dl_dst=02:00:00:00:00:99'), /priority=7/)
  t.regex(await one.vsctl('list', 'mirror'), /theirs/)
  t.deepEqual(await one.plan(fleetDesired({}, [fleetPort(1, 100)])), [])
})

test.serial('nothing of ours is left when nothing is wanted', async (t) => {
  await one.settle({ switches: [], portGroups: [], ports: [] })
  t.is(await one.vsctl('list-br'), '')
})
