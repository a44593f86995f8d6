import test from 'ava'
import { systemClock } from './clock.ts'
import { createVirtualClock } from './virtual-clock.ts'

test('sleepers wake in the order of their times, at their times', async (t) => {
  const clock = createVirtualClock(1_000)
  const woken: [string, number][] = []
  const sleep = async (name: string, durationMs: number) => {
    await clock.sleep(durationMs)
    woken.push([name, clock.monotonicMs()])
  }
  void sleep('late', 30)
  void sleep('early', 10).then(() => sleep('again', 15))
  await clock.advance(29)
  t.deepEqual(woken, [
    ['early', 10],
    ['again', 25],
  ])
  await clock.advance(1)
  t.deepEqual(woken.at(-1), ['late', 30])
  t.is(clock.nowMs(), 1_030)
  t.is(clock.sleepers(), 0)
})

test('a sleep that is given up rejects with the reason, on both clocks', async (t) => {
  for (const clock of [createVirtualClock(), systemClock]) {
    const stop = new AbortController()
    const sleeping = clock.sleep(60_000, stop.signal)
    stop.abort(new Error('enough'))
    await t.throwsAsync(sleeping, { message: 'enough' })
    await t.throwsAsync(clock.sleep(1, stop.signal), { message: 'enough' })
  }
})
