import test from 'ava'
import { reportLines } from './report.ts'

const round = (perSecond: number) => ({
  answers: perSecond,
  perSecond,
  p50Ms: 1,
  p99Ms: 2,
  lost: 0,
  wrong: 0,
  cpuMicroseconds: 100,
})

test('the ratio is the median of the pairs of rounds', (t) => {
  const findings = { reservations: 1_000, slots: 16, changing: [round(80)] }
  const lines = reportLines({
    ...findings,
    ours: [round(100), round(90), round(300)],
    plain: [round(100), round(100), round(100)],
  })
  t.regex(lines.at(-1) ?? '', /answers a second: 1\.00 \(goal at least 0\.95: met\)/)
  const missed = reportLines({ ...findings, ours: [round(90)], plain: [round(100)] })
  t.regex(missed.at(-1) ?? '', /0\.90 \(goal at least 0\.95: missed\); while changing 0\.80/)
})
