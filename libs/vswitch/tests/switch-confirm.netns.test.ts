import test from 'ava'
import type { SwitchDesired } from '../src/index.ts'
import { until } from './support/host.ts'
import { type Rig, type RigHost, startRig } from './support/rig.ts'
import type { RigMachine } from './support/rig-machine.ts'
import { addressOf, fleetDesired, fleetPort, startMachineOn } from './support/rig-scenario.ts'

let rig: Rig
let one: RigHost
let two: RigHost
let a: RigMachine

test.before(async () => {
  rig = await startRig(['one', 'two'], 2)
  const [first, second] = rig.hosts
  if (first === undefined || second === undefined) throw new Error('two hosts were started')
  one = first
  two = second
  await two.settle(fleetDesired({}, [fleetPort(2, 100)]))
  await startMachineOn(two, 2)
})

test.after.always(async () => {
  await rig?.stop()
})

/** A change waits so long for its confirmation. */
const desired = (rest: Partial<SwitchDesired>, confirmSeconds = 3) =>
  fleetDesired({ confirmSeconds, ...rest }, [fleetPort(1, 100)])
/** Up, and joined to nothing that carries the VLAN: the way that cuts a host off. */
const dead = { uplinks: ['up1'] }
const hasPort = async (name: string): Promise<boolean> =>
  (await one.vsctl('list-ports', 'dvs0')).split('\n').includes(name)

test.serial('the first uplinks of a switch need nobody', async (t) => {
  await fleetReady()
  t.true(await a.reaches(addressOf(2)))
  t.regex(await one.vsctl('get', 'bridge', 'dvs0', 'external_ids:purlin\\:uplinks'), /confirmed/)
})

async function fleetReady(): Promise<void> {
  await rig.physical.vsctl('set', 'port', 'one-up1', 'tag=999', 'vlan_mode=access')
  await one.settle(desired({}))
  a = await startMachineOn(one, 1)
}

test.serial(
  'a change that cuts the host off goes back by itself when nobody confirms',
  async (t) => {
    const wanted = desired(dead)
    await one.watch(wanted)
    await until(async () => await hasPort('up1'))
    t.false(await hasPort('up0'))
    t.false(await a.reaches(addressOf(2), 800))
    const tookMs = await until(async () => await hasPort('up0'), 15_000)
    t.log(`back after ${Math.round(tookMs)} ms of at most 3,000 and a look`)
    t.true(await a.reaches(addressOf(2), 8_000))
    const done = await one.unwatch()
    t.true(done.some((summary) => /note uplinks of switch dvs0: rejected/.test(summary)))
    t.deepEqual(await one.plan(wanted), [], 'the same wish is not tried again')
  },
)

test.serial('a change that is confirmed in time stays', async (t) => {
  await rig.physical.vsctl('clear', 'port', 'one-up1', 'tag')
  await rig.physical.vsctl('clear', 'port', 'one-up1', 'vlan_mode')
  const bonds = [{ name: 'bond0', mode: 'active-backup' as const, members: ['up0', 'up1'] }]
  const wanted = desired({ uplinks: ['bond0'], bonds }, 20)
  await one.settle(wanted)
  t.true(await hasPort('bond0'))
  t.true(await one.order<boolean>('confirm', 'dvs0'))
  t.false(await one.order<boolean>('confirm', 'dvs0'), 'once')
  await one.settle(wanted)
  t.regex(await one.vsctl('get', 'bridge', 'dvs0', 'external_ids:purlin\\:uplinks'), /confirmed/)
  t.true(await a.reaches(addressOf(2), 8_000))
})

test.serial('a kill -9 in the middle of a trial goes back at the next start', async (t) => {
  const wanted = desired(dead, 300)
  await one.settle(wanted)
  t.true(await hasPort('up1'))
  await one.crash()
  await one.settle(wanted)
  t.true(await hasPort('bond0'), 'what was confirmed before the trial')
  t.false(await hasPort('up1'))
  t.true(await a.reaches(addressOf(2), 8_000))
})

test.serial('others that can be reached confirm by themselves', async (t) => {
  await one.order('reachable', true)
  const wanted = desired({ uplinks: ['up0'] }, 300)
  await one.watch(wanted)
  await until(async () => {
    const record = await one.vsctl('get', 'bridge', 'dvs0', 'external_ids:purlin\\:uplinks')
    return (await hasPort('up0')) && /confirmed\\",\\"confirmed/.test(record)
  }, 15_000)
  await one.unwatch()
  t.true(await a.reaches(addressOf(2), 8_000))
})
