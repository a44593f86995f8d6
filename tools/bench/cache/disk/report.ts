import { aligned } from '../../../sandbox/up/table.ts'
import type { DiskFinding } from './compare.ts'

/** The findings for people. Pure. */
export function diskLines(findings: readonly DiskFinding[]): readonly string[] {
  const head = [
    ...['load', 'delay', 'bare/s', 'purlin/s', 'ratio', 'goal', '', 'p99/bare', 'CPU us'],
    ...['nbdkit ratio', 'p99/bare', 'CPU us'],
  ]
  const rows = findings.map((each) => [
    each.job,
    `${each.delayMs} ms`,
    each.bareIops.toFixed(0),
    each.iops.toFixed(0),
    each.ratio.toFixed(2),
    `>= ${each.ratioMin}`,
    each.met ? 'met' : 'missed',
    each.p99Ratio.toFixed(2),
    each.cpuUs.toFixed(0),
    each.peerRatio.toFixed(2),
    each.peerP99Ratio.toFixed(2),
    each.peerCpuUs.toFixed(0),
  ])
  return aligned([head, ...rows])
}
