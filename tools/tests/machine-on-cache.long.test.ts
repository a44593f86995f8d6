import test from 'ava'
import { goesOn, PLACES, rounds, startVolumeHost, WRITER } from './volume-host.ts'

/** About two minutes on a machine that has nothing else to do. */
const TEST_LIMIT_MS = 900_000
const PLACE_COUNT = 64

test('a machine writes and flushes while the modes of its pool’s cache are switched; when it is killed, and the daemon with it, all that it flushed is there', async (t) => {
  t.timeout(TEST_LIMIT_MS)
  await using host = await startVolumeHost({
    ...{ redundancy: { replicas: 2 }, diskCount: 2, cached: true },
  })
  await host.make()
  await host.guest(WRITER)
  await goesOn(host, 'at first', 10)
  for (const mode of ['writeback', 'pass-through', 'writethrough', 'writeback'] as const) {
    await host.setCacheMode(mode)
    await goesOn(host, mode, 20)
  }
  t.is(await host.guest('cat /tmp/wrong'), '')
  const flushed = await rounds(host)
  await host.killMachine()
  await host.killDaemon()
  await host.startDaemon()
  await host.startMachine()
  const places = (await host.guest(PLACES)).trimEnd().split('\n')
  t.is(places.length, PLACE_COUNT)
  const found = places.map((line) => Number(line.split(' ')[1]))
  const newest = Math.max(...found)
  t.true(newest >= flushed, `${newest} of ${flushed}`)
  for (const [at, line] of places.entries()) {
    // What was just being written when the machine was killed may be there in part.
    if (at === (newest + 1) % PLACE_COUNT) continue
    const last = flushed - ((((flushed - at) % PLACE_COUNT) + PLACE_COUNT) % PLACE_COUNT)
    t.true(
      (found[at] ?? 0) >= last && (last <= 0 || line.endsWith('whole')),
      `${line}, not ${last}`,
    )
  }
  // The machine goes on, and leaves writeback.
  await host.guest(WRITER)
  await host.setCacheMode('writethrough')
  await goesOn(host, 'after its end', 10)
  t.is(await host.guest('cat /tmp/wrong'), '')
})
