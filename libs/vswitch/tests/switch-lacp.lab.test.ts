import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import type { SwitchHealth, UplinkHealth } from '../src/index.ts'
import { datapath } from './support/datapath.ts'
import { until } from './support/host.ts'
import { type Rig, type RigHost, startRig } from './support/rig.ts'
import type { RigMachine } from './support/rig-machine.ts'
import { addressOf, fleetDesired, fleetPort, startMachineOn } from './support/rig-scenario.ts'

const PEER = fileURLToPath(new URL('./support/peer.ts', import.meta.url))
const NEGOTIATION_LIMIT_MS = 60_000
/** Without a word from the partner a member counts for three times 30 seconds (IEEE 802.1AX). */
const SILENCE_LIMIT_MS = 150_000
let rig: Rig
let one: RigHost
let a: RigMachine
let b: RigMachine

test.before(async () => {
  rig = await startRig(['one', 'two'], 2)
  const [first, two] = rig.hosts
  if (first === undefined || two === undefined) throw new Error('two hosts were started')
  one = first
  await two.settle(fleetDesired({}, [fleetPort(3, 100)]))
  b = await startMachineOn(two, 3)
  // The physical switch's end of the cables is the kernel's bond, which is none of Open vSwitch's.
  const bond = ['type', 'bond', 'mode', '802.3ad', 'miimon', '50', 'lacp_rate', 'fast']
  await rig.physical.command('ip', 'link', 'add', 'partner', ...bond)
  for (const leg of ['one-up0', 'one-up1']) {
    await rig.physical.vsctl('del-port', leg)
    await addLeg(leg)
  }
  await rig.physical.command('ip', 'link', 'set', 'partner', 'mtu', '1700', 'up')
  await rig.physical.vsctl('add-port', 'phys', 'partner')
})

test.after.always(async () => {
  await rig?.stop()
})

async function addLeg(leg: string): Promise<void> {
  await rig.physical.command('ip', 'link', 'set', leg, 'down')
  await rig.physical.command('ip', 'link', 'set', leg, 'master', 'partner')
  await rig.physical.command('ip', 'link', 'set', leg, 'up')
}

/** What the partner says of the bond. */
async function partner(): Promise<string> {
  return (await rig.physical.command('cat', '/proc/net/bonding/partner')).stdout
}

async function health(): Promise<SwitchHealth> {
  const all = await one.order<Readonly<Record<string, SwitchHealth>>>('health')
  const found = all.dvs0
  if (found === undefined) throw new Error('dvs0 has a state')
  return found
}

async function untilUplink(wanted: UplinkHealth, limitMs: number): Promise<number> {
  const text = JSON.stringify([wanted])
  return await until(async () => JSON.stringify((await health()).uplinks) === text, limitMs)
}

test.serial('LACP is negotiated with the kernel’s bond, and frames pass', async (t) => {
  const bonds = [{ name: 'bond0', mode: 'lacp' as const, members: ['up0', 'up1'] }]
  const desired = fleetDesired({ uplinks: ['bond0'], bonds }, [fleetPort(1, 100)])
  await one.settle(desired)
  a = await startMachineOn(one, 1)
  const tookMs = await untilUplink({ name: 'bond0', state: 'up', down: [] }, NEGOTIATION_LIMIT_MS)
  t.log(`negotiated after ${Math.round(tookMs)} ms`)
  await until(async () => /Number of ports: 2/.test(await partner()))
  t.notRegex(await partner(), /Partner Mac Address: 00:00:00:00:00:00/)
  t.true(await a.reaches(addressOf(3), 6_000))
  t.deepEqual(await one.plan(desired), [])
})

test.serial('the state of the switch shows the datapath that forwards', async (t) => {
  t.is((await health()).datapath, datapath)
})

test.serial('a stream goes on when a leg fails and when it comes back', async (t) => {
  const server = b.start(process.execPath, PEER, 'serve', '7000')
  if (server.stdout === null) throw new Error('the server is heard')
  await once(server.stdout, 'data')
  for (const leg of ['up0', 'up1']) {
    const rounds = 150
    const words = ['talk', addressOf(3), '7000', String(rounds), '80']
    const talk = a.command(process.execPath, PEER, ...words)
    await rig.physical.command('ip', 'link', 'set', `one-${leg}`, 'down')
    await untilUplink({ name: 'bond0', state: 'degraded', down: [leg] }, NEGOTIATION_LIMIT_MS)
    await until(async () => /Number of ports: 1/.test(await partner()), NEGOTIATION_LIMIT_MS)
    await rig.physical.command('ip', 'link', 'set', `one-${leg}`, 'up')
    await untilUplink({ name: 'bond0', state: 'up', down: [] }, NEGOTIATION_LIMIT_MS)
    await until(async () => /Number of ports: 2/.test(await partner()), NEGOTIATION_LIMIT_MS)
    t.is((await talk).stdout.trim(), String(rounds), `${leg}: every line came back`)
  }
  server.kill('SIGKILL')
})

test.serial('a leg whose partner says nothing any more carries nothing and is told', async (t) => {
  // Its link stays up; only the partner's words (IEEE 802.3 slow protocols) are lost.
  const hook = '{ type filter hook egress device one-up1 priority 0; }'
  for (const line of [
    'add table netdev silence',
    `add chain netdev silence leg ${hook}`,
    'add rule netdev silence leg ether type 0x8809 drop',
  ]) {
    t.is((await rig.physical.command('nft', line)).exitCode, 0, line)
  }
  const degraded = { name: 'bond0', state: 'degraded', down: ['up1'] } as const
  const tookMs = await untilUplink(degraded, SILENCE_LIMIT_MS)
  t.log(`told after ${Math.round(tookMs)} ms`)
  t.is(await one.vsctl('get', 'interface', 'up1', 'link_state', 'lacp_current'), 'up\nfalse')
  t.true(await a.reaches(addressOf(3), 6_000))
  await rig.physical.command('nft', 'delete table netdev silence')
  await untilUplink({ name: 'bond0', state: 'up', down: [] }, NEGOTIATION_LIMIT_MS)
})

test.serial('a bond that is not wanted any more is a single NIC again', async (t) => {
  await one.settle(fleetDesired({ uplinks: ['up0'] }, [fleetPort(1, 100)]))
  await rig.physical.vsctl('del-port', 'partner')
  await rig.physical.command('ip', 'link', 'delete', 'partner')
  await rig.physical.command('ip', 'link', 'set', 'one-up0', 'up')
  await rig.physical.vsctl('add-port', 'phys', 'one-up0')
  t.true(await a.reaches(addressOf(3), 8_000))
  t.deepEqual((await health()).uplinks, [{ name: 'up0', state: 'up', down: [] }])
})
