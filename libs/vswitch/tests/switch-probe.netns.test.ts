import test from 'ava'
import { until } from './support/host.ts'
import { pathsOf, probed } from './support/probed.ts'
import { type Rig, type RigHost, startRig } from './support/rig.ts'
import { fleetDesired, fleetPort } from './support/rig-scenario.ts'

let rig: Rig
let one: RigHost
let two: RigHost
const VLANS = [0, 100, 200]

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

test.serial('probes cross the fabric in every VLAN, by every member of a bond', async (t) => {
  const bonds = [{ name: 'bond0', mode: 'active-backup' as const, members: ['up0', 'up1'] }]
  const onOne = fleetDesired({ uplinks: ['bond0'], bonds }, [fleetPort(1, 100)])
  const onTwo = fleetDesired({}, [fleetPort(3, 100)])
  await one.settle(onOne)
  await two.settle(onTwo)
  const [a, b] = [onOne.switches[0], onTwo.switches[0]]
  if (a === undefined || b === undefined) throw new Error('each host has a switch')
  const paths = await probed([one, two], [a, b], VLANS, 10_000)
  t.is(paths.length, 9, 'three networks, by two legs one way and one the other')
  t.deepEqual(pathsOf(paths, 'reachable').length, 9, JSON.stringify(paths))
  t.deepEqual(await one.plan(onOne), [], 'a probe is no drift')
})

test.serial('what the physical switch does not carry is dropped, or too large', async (t) => {
  const desired = fleetDesired({}, [fleetPort(1, 100)])
  await one.settle(desired)
  const [own] = desired.switches
  if (own === undefined) throw new Error('the host has a switch')
  await rig.physical.vsctl('set', 'port', 'two-up0', 'trunks=100,0')
  const cut = await probed([one, two], [own, own], VLANS)
  t.deepEqual(pathsOf(cut, 'dropped'), ['200 one/up0 two', '200 two/up0 one'])
  t.is(pathsOf(cut, 'reachable').length, 4)
  await rig.physical.vsctl('clear', 'port', 'two-up0', 'trunks')
  await rig.physical.command('ip', 'link', 'set', 'two-up0', 'mtu', '1400')
  const small = await probed([one, two], [own, own], VLANS)
  const ways = VLANS.map((vlan) => `${vlan} one/up0 two`)
  t.deepEqual(
    pathsOf(small, 'mtu-too-small').filter((way) => way.endsWith('two')),
    ways,
  )
  t.deepEqual(pathsOf(small, 'dropped'), [])
  await rig.physical.command('ip', 'link', 'set', 'two-up0', 'mtu', '1700')
})

test.serial('the flow of a probe goes by itself', async (t) => {
  const flows = () => one.ofctl('dump-flows', 'dvs0')
  t.true((await until(async () => !(await flows()).includes('88b5'), 20_000)) >= 0)
  t.regex(await flows(), /NORMAL/)
})
