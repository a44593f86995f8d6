import { createVirtualClock, PurlinError } from '@purlin/base'
import test from 'ava'
import { bmcError } from '../bmc-error.ts'
import { type CommandPool, createCommandPool } from './pool.ts'
import { CommandQueue } from './queue.ts'

const subject = { name: 'c1', address: '10.9.0.4' }

function queueOf(options: { pool?: CommandPool; waitingMax?: number; leastGapMs?: number } = {}) {
  const clock = createVirtualClock()
  const pool = createCommandPool()
  const queue = new CommandQueue({ subject, leastGapMs: 5_000, pool, clock, ...options })
  const log: string[] = []
  /** A command that takes `tookMs` and fails as told, once for each of `failures`. */
  const command = (
    what: string,
    {
      tookMs = 100,
      poll = false,
      repeatable = true,
      failures = [] as Error[],
      deadlineMs = 60_000,
    } = {},
  ) => {
    const left = [...failures]
    const work = async (signal: AbortSignal): Promise<string> => {
      log.push(`${clock.monotonicMs()} ${what}`)
      await clock.sleep(tookMs, signal)
      const failure = left.shift()
      if (failure !== undefined) throw failure
      return what
    }
    return queue.run({ what, deadlineMs, poll, repeatable, work })
  }
  return { clock, pool, queue, log, command }
}

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  const thrown: unknown = await attempt.catch((error: unknown) => error)
  return thrown instanceof PurlinError ? thrown.code : `no typed error: ${String(thrown)}`
}

test('commands go one at once, in their order, with the least gap between', async (t) => {
  const { clock, log, command } = queueOf()
  const all = Promise.all([command('a'), command('b'), command('c')])
  await clock.advance(20_000)
  t.deepEqual(await all, ['a', 'b', 'c'])
  t.deepEqual(log, ['0 a', '5100 b', '10200 c'])
})

test('polls that are equal share an answer, unless something was asked in between', async (t) => {
  const { clock, log, command } = queueOf()
  const polls = [command('p', { poll: true }), command('p', { poll: true })]
  await clock.advance(50)
  polls.push(command('p', { poll: true })) // The first is on its way.
  const on = command('on')
  polls.push(command('p', { poll: true }), command('p', { poll: true }))
  await clock.advance(20_000)
  await Promise.all([...polls, on])
  t.deepEqual(log, ['0 p', '5100 on', '10200 p'])
})

test('one of those that share gives up, and the others get their answer', async (t) => {
  const { clock, command } = queueOf()
  const impatient = codeOf(command('p', { poll: true, tookMs: 500, deadlineMs: 100 }))
  const patient = command('p', { poll: true })
  await clock.advance(1_000)
  t.is(await impatient, 'PUR_BMC_TIMEOUT')
  t.is(await patient, 'p')
})

test('the queue has an end, and who stands beyond it is told', async (t) => {
  const { clock, queue, command } = queueOf({ waitingMax: 2 })
  const all = Promise.all([command('a'), command('b'), command('c')])
  t.is(queue.waiting, 2)
  t.is(await codeOf(command('d')), 'PUR_BMC_QUEUE_FULL')
  await clock.advance(20_000)
  t.is((await all).length, 3)
})

test('a deadline counts the waiting, and who gave up is never begun', async (t) => {
  const { clock, log, command } = queueOf()
  const first = command('a', { tookMs: 10_000 })
  const late = codeOf(command('b', { deadlineMs: 3_000 }))
  await clock.advance(30_000)
  t.is(await late, 'PUR_BMC_TIMEOUT')
  t.is(await first, 'a')
  t.deepEqual(log, ['0 a'])
})

test('a command that does not end when it is given up holds the queue for a while only', async (t) => {
  const { clock, queue, log, command } = queueOf({ leastGapMs: 0 })
  const stuck = codeOf(
    queue.run({
      what: 'a',
      deadlineMs: 1_000,
      repeatable: true,
      work: () => new Promise(() => {}),
    }),
  )
  const next = command('b')
  await clock.advance(1_000)
  t.is(await stuck, 'PUR_BMC_TIMEOUT')
  await clock.advance(10_000)
  t.is(await next, 'b')
  t.deepEqual(log, ['6000 b'])
})

const unreachable = bmcError('PUR_BMC_UNREACHABLE', subject, 'x', 'y')
const silent = bmcError('PUR_BMC_NO_ANSWER', subject, 'x', 'y')
const refused = bmcError('PUR_BMC_REFUSED', subject, 'x', 'y')

test('what may pass is tried three times in all, with the gap between', async (t) => {
  const { clock, log, command } = queueOf()
  const twice = command('a', { failures: [unreachable, silent] })
  await clock.advance(60_000)
  t.is(await twice, 'a')
  t.deepEqual(log, ['0 a', '5100 a', '10200 a'])
  const thrice = codeOf(command('b', { failures: [silent, silent, silent, silent] }))
  await clock.advance(60_000)
  t.is(await thrice, 'PUR_BMC_NO_ANSWER')
  t.is(log.filter((line) => line.endsWith('b')).length, 3)
})

test('what may have been carried out is not done twice; what was never begun may', async (t) => {
  const { clock, log, command } = queueOf()
  const reset = codeOf(command('reset', { repeatable: false, failures: [silent] }))
  await clock.advance(10_000)
  t.is(await reset, 'PUR_BMC_NO_ANSWER')
  const later = command('later', { repeatable: false, failures: [unreachable] })
  await clock.advance(20_000)
  t.is(await later, 'later')
  t.is(log.filter((line) => line.endsWith('reset')).length, 1)
})

test('a refusal is final', async (t) => {
  const { clock, log, command } = queueOf()
  const once = codeOf(command('a', { failures: [refused] }))
  await clock.advance(30_000)
  t.is(await once, 'PUR_BMC_REFUSED')
  t.is(log.length, 1)
})

test('all queues together have no more than the places of the pool', async (t) => {
  const clock = createVirtualClock()
  const pool = createCommandPool(16)
  let most = 0
  let done = 0
  const all = Array.from({ length: 100 }, async () => {
    const queue = new CommandQueue({ subject, leastGapMs: 0, pool, clock })
    const work = async (signal: AbortSignal): Promise<void> => {
      most = Math.max(most, pool.taken)
      await clock.sleep(100, signal)
      done += 1
    }
    await queue.run({ what: 'a', deadlineMs: 60_000, repeatable: true, work })
  })
  await clock.advance(10_000)
  await Promise.all(all)
  t.deepEqual([most, done, pool.taken], [16, 100, 0])
})

test('who gives up while he waits for a place leaves it to others', async (t) => {
  const pool = createCommandPool(1)
  const back = await pool.take(new AbortController().signal)
  const gone = new AbortController()
  const waiting = pool.take(gone.signal)
  gone.abort(new Error('gone'))
  await t.throwsAsync(waiting, { message: 'gone' })
  const next = pool.take(new AbortController().signal)
  back()
  back()
  t.is(pool.taken, 1)
  ;(await next)()
  t.is(pool.taken, 0)
})

test('a closed queue gives up what waits and runs, and takes nothing more', async (t) => {
  const { clock, queue, command } = queueOf()
  const all = [codeOf(command('a')), codeOf(command('b'))]
  await clock.advance(10)
  queue.close()
  t.deepEqual(await Promise.all(all), ['PUR_CANCELLED', 'PUR_CANCELLED'])
  t.is(await codeOf(command('c')), 'PUR_CANCELLED')
})
