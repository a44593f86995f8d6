import test from 'ava'
import fc from 'fast-check'
import { type Alert, clearAlert, raiseAlert } from './alert.ts'
import { expiredBy, retention } from './retention.ts'
import { type Task, taskEnded, taskStates } from './task.ts'

const cause = {
  code: 'PUR_LANE_STUCK',
  severity: 'critical',
  subject: { kind: 'Lane', name: 'virt' },
  message: 'hangs',
} as const
const id = 'PUR_LANE_STUCK/Lane/virt'

test('an alert that stands keeps its time when raised again, and takes the new words', (t) => {
  const once = raiseAlert(new Map(), cause, 10)
  const twice = raiseAlert(once, { ...cause, message: 'still hangs' }, 20)
  t.deepEqual([...twice.keys()], [id])
  t.is(twice.get(id)?.raisedAtMs, 10)
  t.is(twice.get(id)?.message, 'still hangs')
  t.is(once.get(id)?.message, 'hangs')
})

test('a cleared alert has its time, is cleared once, and begins anew when raised', (t) => {
  const cleared = clearAlert(raiseAlert(new Map(), cause, 10), id, 30)
  t.is(cleared.get(id)?.clearedAtMs, 30)
  t.is(clearAlert(cleared, id, 40), cleared)
  const again = raiseAlert(cleared, cause, 50)
  t.is(again.get(id)?.raisedAtMs, 50)
  t.is(again.get(id)?.clearedAtMs, undefined)
  const none: ReadonlyMap<string, Alert> = new Map()
  t.is(clearAlert(none, id, 1), none)
})

test('a retention must want something', (t) => {
  t.false(retention.safeParse({}).success)
  t.true(retention.safeParse({ keepLast: 1 }).success)
  t.false(retention.safeParse({ keepLast: 0 }).success)
})

const HOUR = 3_600_000
const items = (...hoursAgo: number[]) =>
  hoursAgo.map((hours) => ({ createdAtMs: 1_000 * HOUR - hours * HOUR, hours }))
const expired = (rule: Parameters<typeof expiredBy>[0], ...hoursAgo: number[]) =>
  expiredBy(rule, items(...hoursAgo), 1_000 * HOUR).map(({ hours }) => hours)

test('an item stays while any rule wants it', (t) => {
  t.deepEqual(expired({ keepLast: 2 }, 1, 4, 3, 2), [4, 3])
  t.deepEqual(expired({ keepHours: 2 }, 1, 2, 3), [3])
  t.deepEqual(expired({ keepLast: 1, keepHours: 3 }, 9, 3, 1), [9])
  t.deepEqual(expired({ keepLast: 5 }, 1), [])
})

test('daily items are the newest of their days (UTC)', (t) => {
  // The present moment is 16:00 of a day.
  t.deepEqual(expired({ keepDaily: 2 }, 1, 15, 17, 39, 41), [41, 39, 15])
})

test('what is kept never grows older than what has expired, and the newest stays', (t) => {
  const rule = fc.record({ keepLast: fc.integer({ min: 1, max: 5 }) })
  const ages = fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 12 })
  fc.assert(
    fc.property(rule, ages, (one, hoursAgo) => {
      const gone = expired(one, ...hoursAgo)
      t.is(gone.length, Math.max(0, hoursAgo.length - one.keepLast))
      if (gone.length > 0) t.true(Math.min(...gone) >= Math.min(...hoursAgo))
    }),
  )
})

test('tasks: every state and event leads where it should', (t) => {
  const rows = taskStates.states.flatMap((state) =>
    taskStates.events
      .filter((event) => taskStates.allows(state, event))
      .map((event) => `${state} ${event} ${taskStates.next(state, event)}`),
  )
  t.deepEqual(rows.toSorted(), [
    'queued cancel cancelled',
    'queued fail failed',
    'queued start running',
    'queued succeed succeeded',
    'running cancel cancelled',
    'running fail failed',
    'running succeed succeeded',
  ])
  const ended = taskStates.states.filter((state) => taskEnded({ state } as Task))
  t.deepEqual(ended.toSorted(), ['cancelled', 'failed', 'succeeded'])
})
