import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PurlinError } from '@purlin/base'
import { checkDocument, type NewEvent, type SpecOf } from '@purlin/schema'
import { Alerts } from '@purlin/service'
import test from 'ava'
import { poolConditions } from '../status/pool-conditions.ts'
import { deepOverdue, scrubDue } from './scrub-due.ts'
import { Scrubber } from './scrubber.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** A Monday, at noon in UTC. */
const NOON_MS = Date.UTC(2026, 0, 5, 12)

function specOf(scrub: object = {}): SpecOf<'StoragePool'> {
  const disks = [{ name: 'd', server: 's', path: '/d' }]
  const spec = { redundancy: { replicas: 1 }, disks, scrub }
  const { manifest } = checkDocument({ kind: 'StoragePool', name: 'fast', spec })
  if (manifest?.kind !== 'StoragePool') throw new Error('the pool does not fit its schema')
  return manifest.spec
}

test('metadata is due each day, a deep scrub each week and not in busy hours', (t) => {
  const busy = [{ days: ['mon'], at: '08:00', windowMinutes: 600 }]
  const { scrub } = specOf({ busy })
  const since = (hours: number, more: object = {}) => ({
    firstSeenAtMs: NOON_MS - hours * HOUR_MS,
    ...more,
  })
  t.is(scrubDue(scrub, since(1), NOON_MS), undefined)
  t.is(scrubDue(scrub, since(24), NOON_MS), 'metadata')
  const metadata = { metadataAtMs: NOON_MS - 2 * HOUR_MS }
  t.is(scrubDue(scrub, since(48, metadata), NOON_MS), undefined)
  t.is(scrubDue(scrub, since(24 * 8), NOON_MS), 'metadata', 'deep is due, but it is Monday noon')
  t.is(scrubDue(scrub, since(24 * 8), NOON_MS + 7 * HOUR_MS), 'deep')
  t.is(scrubDue(specOf().scrub, since(24 * 7), NOON_MS), 'deep')
  const failed = { failedAtMs: NOON_MS - HOUR_MS / 2 }
  t.is(scrubDue(scrub, since(24, failed), NOON_MS), undefined)
  t.is(scrubDue(scrub, since(24, failed), NOON_MS + HOUR_MS), 'metadata')
  t.false(deepOverdue(since(24 * 29), NOON_MS))
  t.true(deepOverdue(since(24 * 30), NOON_MS))
  t.false(deepOverdue(since(24 * 99, { deepAtMs: NOON_MS - 29 * DAY_MS }), NOON_MS))
})

test('a pool is scrubbed when it is due, also by the next agent; what is lost and what is overdue is told', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'scrubs-'))
  t.teardown(() => rm(folder, { recursive: true }))
  let nowMs = NOON_MS
  let lost = 0
  let answers: (() => void) | undefined
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, sleep: async () => undefined }
  const events: NewEvent[] = []
  const calls: unknown[] = []
  const tell = (event: NewEvent): void => void events.push(event)
  const alerts = new Alerts(clock, () => undefined)
  const { signal } = new AbortController()
  const open = () =>
    Scrubber.open({
      ...{ clock, alerts, tell, file: join(folder, 'scrubs.json') },
      pools: () => [{ name: 'fast', spec: specOf() }],
      daemon: {
        call: async (_name, words) => {
          calls.push(words)
          await new Promise<void>((resolve) => {
            answers = resolve
          })
          if (lost < 0) throw new Error('the pool went away')
          return { pages: 7, stripes: 9, repaired: 1, lost }
        },
      },
      onChange: () => undefined,
      onTrouble: (thrown) => t.fail(String(thrown)),
    })
  const first = await open()
  await first.look(signal)
  t.deepEqual(calls, [])
  nowMs += DAY_MS
  const ended = first.look(signal)
  t.is(first.record('fast')?.running?.deep, false)
  await first.look(signal)
  t.is(calls.length, 1, 'one scrub of a pool at a time')
  answers?.()
  await ended
  t.like(first.record('fast'), { metadataAtMs: nowMs, running: undefined, last: { repaired: 1 } })
  await first.flushed()

  const next = await open()
  nowMs += 30 * DAY_MS
  const overdue = next.look(signal)
  t.deepEqual(codes(alerts), ['PUR_BLOCK_SCRUB_OVERDUE'])
  lost = 2
  answers?.()
  await overdue
  t.deepEqual(calls, [
    { pool: 'fast', deep: false },
    { pool: 'fast', deep: true },
  ])
  t.deepEqual(codes(alerts), ['PUR_BLOCK_LOST'])

  next.begin('fast', true, signal)
  const twice = t.throws(() => next.begin('fast', false, signal), { instanceOf: PurlinError })
  t.is(twice.code, 'PUR_BLOCK_INVALID')
  t.is(next.record('fast')?.running?.deep, true, 'by hand')
  lost = 0
  answers?.()
  await next.look(signal)
  while (next.record('fast')?.running !== undefined) await clock.sleep()
  t.deepEqual(codes(alerts), [])

  nowMs += DAY_MS
  lost = -1
  const failing = next.look(signal)
  answers?.()
  await failing
  t.is(next.record('fast')?.failedAtMs, nowMs)
  await next.flushed()
  t.deepEqual(
    events.map(({ type }) => type),
    [
      ...['scrub.started', 'scrub.ended', 'scrub.started', 'scrub.ended'],
      ...['scrub.started', 'scrub.ended'],
      ...['scrub.started', 'scrub.failed'],
    ],
  )
})

test('a pool’s conditions say how full it is and whether its scrubs finish', (t) => {
  const health = {
    ...{ phase: 'running' as const, sizeBytes: 100, usedBytes: 79, usableBytes: 50 },
    ...{ provisionedBytes: 0, shortStripes: 0, repairedChunks: 0, disks: [] },
    scrub: { firstSeenAtMs: NOON_MS },
  }
  const said = (more: object, nowMs = NOON_MS) =>
    poolConditions(specOf(), { ...health, ...more }, nowMs).map(
      ({ type, status, reason }) => `${type} ${status} ${reason}`,
    )
  t.deepEqual(said({}), ['Filling false Room', 'ScrubOverdue false OnTime'])
  t.deepEqual(said({ usedBytes: 93 }, NOON_MS + 31 * DAY_MS), [
    'Filling true Above90Percent',
    'ScrubOverdue true NotFinished',
  ])
  t.deepEqual(said({ phase: 'failed' }), [])
})

function codes(alerts: Alerts): string[] {
  return alerts
    .list()
    .filter(({ clearedAtMs }) => clearedAtMs === undefined)
    .map(({ code }) => code)
}
