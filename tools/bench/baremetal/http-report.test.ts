import test from 'ava'
import { httpLines } from './http-report.ts'

test('the ratio is the median of the pairs of rounds, and says whether the goal is met', (t) => {
  const round = (mibPerSecond: number) => ({ mibPerSecond, cpuSecondsPerGib: 0.5 })
  const nginx = [round(1_000), round(2_000), round(1_000)]
  const findings = { clients: 16, fileMib: 64, nginx, residentMib: 120 }
  const met = httpLines({ ...findings, ours: [round(900), round(1_000), round(950)] })
  t.is(met[3], 'ratio of throughput: 0.90 (goal at least 0.8: met)')
  const missed = httpLines({ ...findings, ours: [round(700), round(1_000), round(950)] })
  t.is(missed[3], 'ratio of throughput: 0.70 (goal at least 0.8: missed)')
})
