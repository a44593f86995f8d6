/** What goes on where it was: the daemon killed in each state of an installation, and the power of
 *  the chassis cut while its disk is written. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import { inSystem, installationOf, MACS, sshKey, untilReachable } from './support/installation.ts'
import { Road } from './support/road.ts'

const INSTALL_MS = 50 * 60_000
const START_MS = 10 * 60_000
const POLL_MS = 200

async function withRoad(
  t: ExecutionContext,
  deadlines: Readonly<Record<string, number>>,
  walk: (road: Road, key: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp('/tmp/road-key-')
  await sshKey(folder)
  const key = join(folder, 'key')
  const road = await Road.open({
    chassis: [{ name: 'c1', macs: MACS, memoryMiB: 1_024 }],
    deadlines: { lingerSeconds: 1, ...deadlines },
    manifest: installationOf('image', false),
    files: { 'key.pub': await readFile(`${key}.pub`, 'utf8') },
  })
  try {
    await walk(road, key)
  } catch (thrown) {
    t.log(road.chassis('c1').consoleTail.slice(-3_000))
    throw thrown
  } finally {
    await road.close()
    await rm(folder, { recursive: true })
  }
}

/** Follows the life of `c1` to `end`; `met` is called once in each state. */
async function follow(
  road: Road,
  end: string,
  met: (state: string) => Promise<void>,
): Promise<readonly string[]> {
  const states: string[] = []
  const untilMs = systemClock.monotonicMs() + INSTALL_MS
  for (;;) {
    const state = (await road.client.chassis.get('c1')).status.life?.state ?? 'enrolled'
    if (!states.includes(state)) {
      states.push(state)
      await met(state)
    }
    if (state === end) return states
    if (systemClock.monotonicMs() > untilMs) throw new Error(`at ${states.join(', ')}; not ${end}`)
    await systemClock.sleep(POLL_MS)
  }
}

/** The failure of `c1` once its BMC has been asked what it saw, which comes after the state. */
async function witnessed(road: Road) {
  const untilMs = systemClock.monotonicMs() + START_MS
  for (;;) {
    const failure = (await road.client.chassis.get('c1')).status.life?.failure
    if (failure?.power !== undefined) return failure
    if (systemClock.monotonicMs() > untilMs) throw new Error('nobody asked the BMC of what failed')
    await systemClock.sleep(POLL_MS)
  }
}

test.serial('the daemon, killed once in each state, ends with the same system', async (t) => {
  await withRoad(t, {}, async (road, key) => {
    const states = await follow(road, 'active', async () => {
      await road.daemon.kill()
      await road.daemon.startAgain()
    })
    t.log(states.join(', '))
    t.true(states.includes('writing'))
    await untilReachable(key, START_MS)
    t.is(await inSystem(key, 'findmnt', '-no', 'SOURCE', '/'), '/dev/mapper/sys-root')
    const starts = road.chassis('c1').events.filter(({ what }) => what === 'power 1')
    t.is(starts.length, 2, 'one discovery and one installation')
  })
})

test.serial(
  'power cut while the disk is written: it has failed, and again makes it whole',
  async (t) => {
    await withRoad(t, { stepSeconds: 180 }, async (road, key) => {
      await follow(road, 'failed', async (state) => {
        if (state === 'writing') road.chassis('c1').cutPower()
      })
      const failure = await witnessed(road)
      t.is(failure.state, 'writing')
      t.is(failure.power, 'off')
      await road.client.chassis.retry('c1')
      await follow(road, 'active', async () => {})
      await untilReachable(key, START_MS)
      t.is(await inSystem(key, 'findmnt', '-no', 'SOURCE', '/var'), '/dev/mapper/sys-var')
    })
  },
)
