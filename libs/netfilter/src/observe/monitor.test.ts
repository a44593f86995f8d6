import type { Clock } from '@purlin/base'
import test from 'ava'
import type { FollowLines } from './follow.ts'
import { RulesetMonitor } from './monitor.ts'

/** A clock whose sleeps end at once and are remembered. */
function quickClock(slept: number[]): Clock {
  return {
    nowMs: () => 0,
    monotonicMs: () => 0,
    sleep: async (durationMs, signal) => {
      slept.push(durationMs)
      await new Promise((resolve) => setImmediate(resolve))
      if (signal?.aborted === true) throw signal.reason
    },
  }
}

test('a transaction on one of our tables is told once, when it is complete', async (t) => {
  const stop = new AbortController()
  const told: number[] = []
  let line = 0
  const follow: FollowLines = async (_program, _args, onLine) => {
    for (const text of [
      'add rule ip docker user tcp dport 1 drop',
      '# new generation 2 by process 10 (nft)',
      'delete element inet purlin group-web-ipv4 { 10.0.0.1 }',
      'add element inet purlin group-web-ipv4 { 10.0.0.2 }',
      '# new generation 3 by process 0 (nft)',
      'add chain inet purlin-like other',
      '# new generation 4 by process 11 (nft)',
    ]) {
      line++
      onLine(text)
    }
    stop.abort()
    return 'ended'
  }
  const monitor = new RulesetMonitor({
    follow,
    clock: quickClock([]),
    onTouched: () => told.push(line),
    signal: stop.signal,
  })
  await monitor.run()
  t.deepEqual(told, [5])
})

test('a monitor that ends is started again, ever more slowly up to a bound, and missed changes are looked for', async (t) => {
  const stop = new AbortController()
  const slept: number[] = []
  let starts = 0
  let told = 0
  const follow: FollowLines = async () => {
    if (++starts === 12) stop.abort()
    await new Promise((resolve) => setTimeout(resolve, 5))
    return 'SIGKILL'
  }
  const monitor = new RulesetMonitor({
    follow,
    clock: quickClock(slept),
    onTouched: () => told++,
    signal: stop.signal,
  })
  await monitor.run()
  t.is(starts, 12)
  t.false(monitor.listening)
  t.true(told >= 11)
  t.is(Math.max(...slept), 10_000)
})
