import { fileURLToPath } from 'node:url'
import test from 'ava'
import type { PortCounters } from '../src/index.ts'
import { until } from './support/host.ts'
import { type Rig, type RigHost, startRig } from './support/rig.ts'
import { addressOf, fleetDesired, fleetPort, startMachineOn } from './support/rig-scenario.ts'

const BLAST = fileURLToPath(new URL('./support/blast.ts', import.meta.url))
let rig: Rig
let one: RigHost

test.before(async () => {
  rig = await startRig(['one', 'two'], 1)
  const [first] = rig.hosts
  if (first === undefined) throw new Error('hosts were started')
  one = first
})

test.after.always(async () => {
  await rig?.stop()
})

test.serial(
  'bytes and drops are counted as each machine sees them, with their reason',
  async (t) => {
    const ports = [
      fleetPort(1, 100, { qos: { outbound: { kbitPerSecond: 1_000, burstKbit: 100 } } }),
      fleetPort(2, 100, { qos: { inbound: { kbitPerSecond: 500, burstKbit: 100 } } }),
    ]
    await one.settle(fleetDesired({}, ports))
    const a = await startMachineOn(one, 1)
    const b = await startMachineOn(one, 2)
    await a.reaches(addressOf(2))
    await a.command(process.execPath, BLAST, addressOf(2), '1400', '40000', '4000')
    const counted = async (name: string): Promise<PortCounters> => {
      const all = await one.order<readonly PortCounters[]>('count')
      const found = all.find((one) => one.name === name)
      if (found === undefined) throw new Error(`${name} is counted`)
      return found
    }
    // Open vSwitch brings its statistics up to date every five seconds.
    await until(async () => {
      const sent = (await counted('vm-1.eth0')).outbound.bytes
      return sent > 1_000_000 && (await counted('vm-2.eth0')).inbound.bytes > 100_000
    }, 20_000)
    const sent = await counted('vm-1.eth0')
    const received = await counted('vm-2.eth0')
    t.true(sent.outbound.droppedByLimit > 500, `${sent.outbound.droppedByLimit} above its limit`)
    t.is(sent.inbound.droppedByLimit, 0)
    t.true(received.inbound.bytes < sent.outbound.bytes)
    const seen = await b.counted()
    t.true(seen.received >= received.inbound.bytes * 0.9, 'the machine counts as much')
    const uplink = await counted('up0')
    t.is(uplink.subject, 'uplink')
    t.is(uplink.switch, 'dvs0')
  },
)
