import test from 'ava'
import { withDeadline } from './deadline.ts'
import { PurlinError } from './errors/purlin-error.ts'
import { createVirtualClock } from './virtual-clock.ts'

function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof PurlinError ? thrown.code : undefined
}

test('an answer in time is the answer, and no timer stays', async (t) => {
  const clock = createVirtualClock()
  t.is(await withDeadline('look', 100, async () => 7, undefined, clock), 7)
  t.is(clock.sleepers(), 0)
})

test('an error in time is the error, also one thrown at once', async (t) => {
  const clock = createVirtualClock()
  const broken = withDeadline(
    'look',
    100,
    async () => Promise.reject(new Error('broken')),
    undefined,
    clock,
  )
  await t.throwsAsync(broken, { message: 'broken' })
  const thrower = (): Promise<never> => {
    throw new Error('at once')
  }
  await t.throwsAsync(withDeadline('look', 100, thrower, undefined, clock), { message: 'at once' })
  t.is(clock.sleepers(), 0)
})

test('a call that ignores its signal is abandoned at the deadline', async (t) => {
  const clock = createVirtualClock()
  let seen: AbortSignal | undefined
  const stuck = withDeadline(
    'look',
    100,
    (signal) => {
      seen = signal
      return new Promise<never>(() => {})
    },
    undefined,
    clock,
  )
  const failed = t.throwsAsync(stuck, { message: 'look: no answer within 100 ms' })
  await clock.advance(99)
  t.false(seen?.aborted)
  await clock.advance(1)
  t.is(codeOf(await failed), 'PUR_DEADLINE_PASSED')
  t.true(seen?.aborted)
})

test('a caller who gives up is answered at once', async (t) => {
  const clock = createVirtualClock()
  const outer = new AbortController()
  const given = withDeadline('look', 100, () => new Promise<never>(() => {}), outer.signal, clock)
  outer.abort()
  t.is(codeOf(await t.throwsAsync(given)), 'PUR_CANCELLED')
  t.is(clock.sleepers(), 0)
})

test('a caller who gave up before makes no call', async (t) => {
  let calls = 0
  const work = async () => {
    calls += 1
  }
  t.is(
    codeOf(await t.throwsAsync(withDeadline('look', 100, work, AbortSignal.abort()))),
    'PUR_CANCELLED',
  )
  t.is(calls, 0)
})

test('the call begins before withDeadline returns', (t) => {
  let calls = 0
  void withDeadline('look', 100, async () => {
    calls += 1
  })
  t.is(calls, 1)
})
