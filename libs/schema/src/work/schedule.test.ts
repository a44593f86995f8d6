import test from 'ava'
import fc from 'fast-check'
import { nextStartMs, type Schedule, schedule, withinWindow } from './schedule.ts'

const at = (text: string): number => Date.parse(text)
const plan = (changes: Partial<Schedule>): Schedule => schedule.parse({ at: '02:30', ...changes })

test('a schedule has defaults and refuses what is no time, zone or day', (t) => {
  t.deepEqual(schedule.parse({ at: '02:30' }), {
    timeZone: 'Etc/UTC',
    days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'],
    at: '02:30',
    windowMinutes: 60,
  })
  for (const wrong of [
    {},
    { at: '24:00' },
    { at: '2:30' },
    { at: '02:30', timeZone: 'Mars/Base' },
    { at: '02:30', days: [] },
    { at: '02:30', days: ['monday'] },
    { at: '02:30', windowMinutes: 0 },
    { at: '02:30', unknown: 1 },
  ]) {
    t.false(schedule.safeParse(wrong).success, JSON.stringify(wrong))
  }
})

test('the next start is strictly later, on a day of the list, at the time of the zone', (t) => {
  const rows: [Partial<Schedule>, string, string][] = [
    [{}, '2026-11-21T02:29:59.999Z', '2026-11-21T02:30:00Z'],
    [{}, '2026-11-21T02:30:00Z', '2026-11-22T02:30:00Z'],
    [{ days: ['mon'] }, '2026-11-21T12:00:00Z', '2026-11-23T02:30:00Z'],
    [{ days: ['sat'] }, '2026-11-21T02:30:00Z', '2026-11-28T02:30:00Z'],
    [{ timeZone: 'Asia/Kolkata' }, '2026-11-21T00:00:00Z', '2026-11-21T21:00:00Z'],
    [{ timeZone: 'America/Los_Angeles' }, '2026-12-31T23:00:00Z', '2027-01-01T10:30:00Z'],
    [
      { timeZone: 'Pacific/Auckland', days: ['sun'] },
      '2026-11-21T00:00:00Z',
      '2026-11-21T13:30:00Z',
    ],
  ]
  for (const [changes, after, wanted] of rows) {
    t.is(new Date(nextStartMs(plan(changes), at(after))).getTime(), at(wanted), after)
  }
})

test('a time that the clock change leaves out happens at the first instant after the gap', (t) => {
  // Berlin, 2026-03-29: 02:00 becomes 03:00 at 01:00 UTC.
  const berlin = { timeZone: 'Europe/Berlin' }
  for (const time of ['02:00', '02:30', '02:59', '03:00']) {
    t.is(
      nextStartMs(plan({ ...berlin, at: time }), at('2026-03-28T12:00:00Z')),
      at('2026-03-29T01:00:00Z'),
      time,
    )
  }
  // Lord Howe Island moves by half an hour: 2026-10-04, 02:00 becomes 02:30 at 15:30 UTC of the day
  // before.
  const island = { timeZone: 'Australia/Lord_Howe', at: '02:10' }
  t.is(nextStartMs(plan(island), at('2026-10-03T00:00:00Z')), at('2026-10-03T15:30:00Z'))
})

test('a time that comes twice starts once, the first time', (t) => {
  // Berlin, 2026-10-25: 03:00 becomes 02:00 at 01:00 UTC.
  const berlin = plan({ timeZone: 'Europe/Berlin' })
  const first = nextStartMs(berlin, at('2026-10-24T12:00:00Z'))
  t.is(first, at('2026-10-25T00:30:00Z'))
  t.is(nextStartMs(berlin, first), at('2026-10-26T01:30:00Z'))
})

test('a window holds its start and not its end, also over midnight', (t) => {
  const late = plan({ at: '23:30', windowMinutes: 60, days: ['sat'] })
  t.false(withinWindow(late, at('2026-11-21T23:29:59.999Z')))
  t.true(withinWindow(late, at('2026-11-21T23:30:00Z')))
  t.true(withinWindow(late, at('2026-11-22T00:29:59.999Z')))
  t.false(withinWindow(late, at('2026-11-22T00:30:00Z')))
})

test('any zone and moment: the start is later, within eight days, and in its own window', (t) => {
  const zone = fc.constantFrom(
    'Etc/UTC',
    'Europe/Berlin',
    'America/St_Johns',
    'Australia/Lord_Howe',
    'Pacific/Apia',
  )
  const time = fc
    .tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }))
    .map((parts) => parts.map((part) => String(part).padStart(2, '0')).join(':'))
  const moment = fc.integer({ min: at('2025-01-01T00:00:00Z'), max: at('2030-01-01T00:00:00Z') })
  fc.assert(
    fc.property(zone, time, moment, (timeZone, text, after) => {
      const one = plan({ timeZone, at: text })
      const start = nextStartMs(one, after)
      t.true(start > after && start <= after + 26 * 3_600_000)
      t.true(withinWindow(one, start))
    }),
    { numRuns: 60 },
  )
})
