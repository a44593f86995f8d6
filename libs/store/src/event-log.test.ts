import { createVirtualClock } from '@purlin/base'
import type { NewEvent } from '@purlin/schema'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { codeOf, collect } from '../tests/contract.ts'
import { createEventLog } from './event-log.ts'
import { openSqliteStore } from './sqlite/open.ts'

const event = (message: string): NewEvent => ({
  type: 'test.happened',
  severity: 'notice',
  subject: { kind: 'Port', name: 'web-1.eth0' },
  message,
})

async function openLog(t: ExecutionContext, keptRevisions = 1_000) {
  const clock = createVirtualClock(1_700_000_000_000)
  const store = await openSqliteStore({ file: ':memory:', clock, keptRevisions })
  t.teardown(() => store.close())
  return { store, clock, log: createEventLog(store, clock) }
}

test('appended events get the next numbers and the present time', async (t) => {
  const { log, clock } = await openLog(t)
  t.is(await log.last(), 0)
  const [first, second] = await log.append([event('a'), event('b')])
  t.is(first?.sequence, 1)
  t.is(second?.sequence, 2)
  t.is(first?.atMs, clock.nowMs())
  t.deepEqual(await log.read({ after: 0, limit: 10 }), [first, second])
  t.is(await log.last(), 2)
  t.deepEqual(await log.append([]), [])
})

test('appends made at once are numbered without a gap, each in its own order', async (t) => {
  const { log, store } = await openLog(t)
  const written = await Promise.all(
    Array.from({ length: 700 }, (_, n) => log.append([event(`${n}a`), event(`${n}b`)])),
  )
  const events = written.flat()
  t.deepEqual(
    events.map(({ sequence }) => sequence),
    Array.from({ length: 1_400 }, (_, n) => n + 1),
  )
  t.true((await store.list('/none')).revision < 10)
  t.deepEqual(await log.read({ after: 0, limit: 2_000 }), events)
})

test('two logs on one store never give a number twice', async (t) => {
  const { log, store, clock } = await openLog(t)
  const other = createEventLog(store, clock)
  for (let n = 0; n < 20; n++)
    await Promise.all([log.append([event('a')]), other.append([event('b')])])
  const numbers = (await log.read({ after: 0 })).map(({ sequence }) => sequence)
  t.deepEqual(
    numbers,
    Array.from({ length: 40 }, (_, n) => n + 1),
  )
})

test('a number is kept across a new log on the same store', async (t) => {
  const { log, store, clock } = await openLog(t)
  await log.append([event('a')])
  const [next] = await createEventLog(store, clock).append([event('b')])
  t.is(next?.sequence, 2)
})

test('a read returns at most its limit and resumes where it ended', async (t) => {
  const { log } = await openLog(t)
  await log.append(Array.from({ length: 250 }, (_, n) => event(String(n))))
  const seen: number[] = []
  for (let after = 0; ; ) {
    const page = await log.read({ after, limit: 99 })
    if (page.length === 0) break
    seen.push(...page.map(({ sequence }) => sequence))
    after = seen.at(-1) ?? 0
  }
  t.deepEqual(
    seen,
    Array.from({ length: 250 }, (_, n) => n + 1),
  )
})

test('a trimmed log keeps the newest, and tells a reader what it missed', async (t) => {
  const { log, store } = await openLog(t)
  await log.append(Array.from({ length: 1_300 }, (_, n) => event(String(n))))
  await log.trim(10)
  t.is((await store.list('/event/')).entries.length, 10)
  t.is((await log.read({ after: 0 }))[0]?.sequence, 1_291)
  t.is((await log.read({ after: 1_290 })).length, 10)
  t.is(codeOf(await t.throwsAsync(log.read({ after: 1_289 }))), 'PUR_STORE_COMPACTED')
  t.is(codeOf(await t.throwsAsync(log.read({ after: 1_301 }))), 'PUR_STORE_COMPACTED')
  const [next] = await log.append([event('next')])
  t.is(next?.sequence, 1_301)
  await log.trim(0)
  t.deepEqual(await log.read({ after: 0 }), [])
  t.is(await log.last(), 1_301)
})

test('a follower without a number sees what happens from now on', async (t) => {
  const { log } = await openLog(t)
  await log.append([event('before')])
  const stop = new AbortController()
  const following = collect(log.follow({ signal: stop.signal }), 1)
  await new Promise((resolve) => setImmediate(resolve))
  await log.append([event('after')])
  t.is((await following)[0]?.message, 'after')
})

test('a follower ends when it is given up or the store closes', async (t) => {
  const { log, store } = await openLog(t)
  const stop = new AbortController()
  const given = collect(log.follow({ after: 0, signal: stop.signal }), 1)
  const closed = collect(log.follow({ after: 0, signal: new AbortController().signal }), 1)
  await new Promise((resolve) => setImmediate(resolve))
  stop.abort()
  t.deepEqual(await given, [])
  await store.close()
  t.deepEqual(await closed, [])
})

test('followers that break off and resume see every event once', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 60 }),
      async (sizes, breakAfter) => {
        const { log } = await openLog(t, 3)
        const total = sizes.reduce((sum, size) => sum + size, 0)
        const seen: number[] = []
        const reader = async () => {
          while (seen.length < total) {
            const { signal } = new AbortController()
            const count = Math.min(breakAfter, total - seen.length)
            const some = await collect(log.follow({ after: seen.at(-1) ?? 0, signal }), count)
            seen.push(...some.map(({ sequence }) => sequence))
          }
        }
        const writer = async () => {
          for (const size of sizes) {
            await log.append(Array.from({ length: size }, () => event('x')))
            if (size % 2 === 0) await new Promise((resolve) => setImmediate(resolve))
          }
        }
        await Promise.all([reader(), writer()])
        t.deepEqual(
          seen,
          Array.from({ length: total }, (_, n) => n + 1),
        )
      },
    ),
    { numRuns: 40 },
  )
})

test('more events than the queue holds are refused', async (t) => {
  const { log } = await openLog(t)
  const many = Array.from({ length: 20_001 }, () => event('x'))
  t.is(codeOf(await t.throwsAsync(log.append(many))), 'PUR_STORE_OVERLOADED')
  t.is(await log.last(), 0)
})
