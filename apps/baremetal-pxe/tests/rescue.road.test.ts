/** A person in the rescue system, by the command, on a chassis whose clock is of another year: that
 *  it reports over HTTPS shows that the server's word set it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@purlin/base'
import test from 'ava'
import { MACS, SSH_OPTIONS, sshKey } from './support/installation.ts'
import { Road } from './support/road.ts'

const STATE_MS = 10 * 60_000
const MAIN = new URL('../../cli/src/main.ts', import.meta.url).pathname

test('rescue lets the holder of the key in and nobody else, and leaves the chassis as it was', async (t) => {
  const folder = await mkdtemp('/tmp/road-key-')
  await sshKey(folder)
  await sshKey(folder, 'other')
  const disks = ['c1-d0', 'PHLJ9130006M1P0FGN-of-25'].map((serial) => ({ sizeGiB: 4, serial }))
  const road = await Road.open({
    chassis: [{ name: 'c1', macs: MACS, disks, clock: '2001-01-01T00:00:00' }],
    deadlines: { lingerSeconds: 1 },
  })
  const purlin = async (...args: readonly string[]): Promise<void> => {
    const node = ['--conditions=purlin-source', '--disable-warning=ExperimentalWarning', MAIN]
    const environment = { PURLIN_BAREMETAL_SOCKET: road.daemon.socketPath }
    await run(process.execPath, [...node, ...args], { timeoutMs: STATE_MS, environment })
  }
  const stateOf = async () => (await road.client.chassis.get('c1')).status.life?.state
  try {
    const wait = { deadlineMs: STATE_MS }
    const { status } = await road.client.chassis.waitFor('c1', 'available', wait)
    const inside = async (key: string, ...command: readonly string[]): Promise<string> => {
      const words = [...SSH_OPTIONS, '-i', join(folder, key), `root@${status.address}`, ...command]
      return (await run('ssh', words, { timeoutMs: STATE_MS })).stdout.trim()
    }
    const { report } = await road.client.chassis.report('c1')
    t.deepEqual(
      report.disks.map(({ serial }) => serial).toSorted(),
      disks.map(({ serial }) => serial).toSorted(),
      'long serial numbers too',
    )
    t.regex(road.chassis('c1').consoleTail, /clock set by the server, from 9783\d+ to \d+/)

    await purlin('bm', 'chassis', 'rescue', 'c1', '--key', join(folder, 'key.pub'))
    t.is(await stateOf(), 'rescue')
    t.is(await inside('key', 'id -u; cat /sys/block/vda/serial'), '0\nc1-d0')
    t.true(Number(await inside('key', 'date +%s')) > 1_700_000_000)
    const refusal = await t.throwsAsync(() => inside('other', 'true'))
    t.regex(refusal?.message ?? '', /Permission denied \(publickey\)/)

    await purlin('bm', 'chassis', 'rescue', 'c1', '--end')
    t.is(await stateOf(), 'available')
    t.is(road.chassis('c1').power, 'off')
  } catch (thrown) {
    t.log(road.chassis('c1').consoleTail.slice(-3_000))
    throw thrown
  } finally {
    await road.close()
    await rm(folder, { recursive: true })
  }
})
