import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { PortQos } from '@purlin/schema'
import test from 'ava'
import { until } from './support/host.ts'
import { type Rig, type RigHost, startRig } from './support/rig.ts'
import type { RigMachine } from './support/rig-machine.ts'
import { addressOf, fleetDesired, fleetPort, startMachineOn } from './support/rig-scenario.ts'

const BLAST = fileURLToPath(new URL('./support/blast.ts', import.meta.url))
const WINDOW_MS = 3_000
const TOLERANCE = 0.05
/** A starved sender makes a window too low, so the best of some counts; none may be too high. */
const WINDOWS = 4
/** More than the few frames of before: the load has begun. */
const BEGUN_BYTES = 20_000
let rig: Rig
let host: RigHost
let sender: RigMachine
let receiver: RigMachine

test.before(async () => {
  rig = await startRig(['one'], 1)
  const [one] = rig.hosts
  if (one === undefined) throw new Error('a host was started')
  host = one
  await host.settle(desiredOf({}, {}))
  sender = await startMachineOn(host, 1)
  receiver = await startMachineOn(host, 2)
})

test.after.always(async () => {
  await rig?.stop()
})

const desiredOf = (sending: PortQos, receiving: PortQos) =>
  fleetDesired({}, [fleetPort(1, 100, { qos: sending }), fleetPort(2, 100, { qos: receiving })])

const sleep = (durationMs: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, durationMs)
  })

const received = async (): Promise<number> => (await receiver.counted()).received

/** Kilobits of whole frames that the receiver was given meanwhile, and how long that took; what it
 *  was given since it had `before` bytes counts too. */
async function window(
  durationMs: number,
  before?: number,
): Promise<{ readonly kbit: number; readonly tookMs: number }> {
  before ??= await received()
  const startMs = performance.now()
  await sleep(durationMs)
  const after = await received()
  return { kbit: ((after - before) * 8) / 1_000, tookMs: performance.now() - startMs }
}

async function blasting(
  kbitPerSecond: number,
  durationMs: number,
  work: () => Promise<void>,
): Promise<void> {
  const words = [addressOf(2), '1400', String(kbitPerSecond), String(durationMs)]
  const child = sender.start(process.execPath, BLAST, ...words)
  try {
    await work()
  } finally {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
}

const limit = { kbitPerSecond: 10_000 }
for (const [way, desired] of [
  ['what a machine sends', desiredOf({ outbound: limit }, {})],
  ['what a machine receives', desiredOf({}, { inbound: limit })],
] as const) {
  test.serial(`${way} is held within 5 % of the rate of whole frames`, async (t) => {
    await host.settle(desired)
    t.deepEqual(await host.plan(desired), [])
    await sender.reaches(addressOf(2))
    await blasting(25_000, (WINDOWS + 2) * WINDOW_MS, async () => {
      await sleep(1_500)
      const ratios: number[] = []
      for (let round = 0; round < WINDOWS; round++) {
        const { kbit, tookMs } = await window(WINDOW_MS)
        const ratio = kbit / ((limit.kbitPerSecond * tookMs) / 1_000)
        ratios.push(ratio)
        t.true(ratio < 1 + TOLERANCE, `${ratio} of the rate`)
        if (ratio > 1 - TOLERANCE) break
      }
      t.log(`${ratios.map((ratio) => ratio.toFixed(4)).join(', ')} of the rate`)
      t.true(Math.max(...ratios) > 1 - TOLERANCE)
    })
  })
}

const bursty = { kbitPerSecond: 1_000, burstKbit: 4_000 }
for (const [way, desired] of [
  ['sending', desiredOf({ outbound: bursty }, {})],
  ['receiving', desiredOf({}, { inbound: bursty })],
] as const) {
  test.serial(`${way}: a burst passes at once, and then the rate holds`, async (t) => {
    await host.settle(desired)
    await sender.reaches(addressOf(2))
    // The bucket is full again after four seconds of nothing.
    await sleep(4_500)
    const before = await received()
    await blasting(30_000, 60_000, async () => {
      // The sender's program takes its time to begin.
      await until(async () => (await received()) > before + BEGUN_BYTES, 50_000)
      const first = await window(2_000, before)
      const mayPass = bursty.burstKbit + (bursty.kbitPerSecond * first.tookMs) / 1_000
      t.log(`${Math.round(first.kbit)} kbit in the first ${Math.round(first.tookMs)} ms`)
      t.true(first.kbit < mayPass * 1.05, `${first.kbit} of at most ${mayPass}`)
      t.true(first.kbit > bursty.burstKbit * 0.9, `${first.kbit} kbit hold the burst`)
      const next = await window(2_000)
      const rate = (bursty.kbitPerSecond * next.tookMs) / 1_000
      t.true(next.kbit < rate * 1.1, `${next.kbit} of ${rate}: no second burst`)
    })
  })
}

test.serial('limits that are not wanted any more leave nothing behind', async (t) => {
  await host.settle(desiredOf({}, {}))
  t.is(await host.vsctl('list', 'qos'), '')
  t.is(await host.vsctl('list', 'queue'), '')
  t.regex(await host.ofctl('dump-meters', 'dvs0'), /OFPST_METER_CONFIG reply[^\n]*\n*$/)
})
