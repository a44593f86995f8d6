import test from 'ava'
import { reportingCondition, silenceAlert } from './condition.ts'

const of = { instance: 'db-1', chassis: 'u07', sinceMs: 5, lastPushMs: undefined, reporting: false }
const NOW = 1_700_000_000_000

test('only a running instance that does not push is not reporting', (t) => {
  const cases = [
    [{ ...of, reporting: true, lastPushMs: NOW }, NOW, 'true', 'Reporting'],
    [of, undefined, 'unknown', 'NotRunning'],
    [{ ...of, lastPushMs: 1 }, undefined, 'unknown', 'NotRunning'],
    [of, NOW - 59_000, 'unknown', 'Starting'],
    [of, NOW - 61_000, 'false', 'NeverReported'],
    [{ ...of, lastPushMs: NOW - 70_000 }, NOW - 90_000, 'false', 'Silent'],
  ] as const
  for (const [reporting, runningSinceMs, status, reason] of cases) {
    const condition = reportingCondition(reporting, runningSinceMs, NOW)
    t.like(condition, { type: 'Reporting', status, reason, sinceMs: 5 })
    t.is(silenceAlert('db-1', condition) !== undefined, status === 'false')
  }
})
