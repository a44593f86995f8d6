import type { BmcFindings, MemoryFindings, RoadFindings } from './findings.ts'

/** The goals of docs/benchmarks-bare-metal.md, without hardware virtualization. */
const REPORT_SECONDS = 40
const SSH_SECONDS = { image: 240, media: 1_500 } as const
const BMC_P95_MS = 1_000

/** The findings of a road as lines for people. Pure. */
export function roadLines(findings: RoadFindings): readonly string[] {
  const { installs, reportSeconds, sshSeconds, states } = findings
  const name = installs === 'image' ? 'image' : 'installer'
  return [
    judged('power-on to report', reportSeconds, REPORT_SECONDS, 's'),
    judged(`${name}: prepared to SSH`, sshSeconds, SSH_SECONDS[installs], 's'),
    ...states.map(({ state, seconds }) => `  ${state.padEnd(14)} ${seconds.toFixed(1)} s`),
  ]
}

/** The findings of a BMC as lines for people. Pure. */
export function bmcLines({ calls }: BmcFindings): readonly string[] {
  return calls.map(({ call, count, p50Ms, p95Ms }) => {
    const tail = judged(`BMC ${call}, p95`, p95Ms, BMC_P95_MS, 'ms')
    return `${tail}  p50 ${p50Ms.toFixed(0)} ms  ${count} calls`
  })
}

/** The daemon's memory as lines for people. Pure. */
export function memoryLines(findings: MemoryFindings): readonly string[] {
  const { chassis, emptyMiB, enrolledMiB, polledMiB, answersAMinute, cpuSeconds, longestListMs } =
    findings
  return [
    `the daemon without chassis: ${emptyMiB.toFixed(0)} MiB`,
    `${chassis} enrolled: ${enrolledMiB.toFixed(0)} MiB, polled for a minute: ${polledMiB.toFixed(0)} MiB`,
    `${answersAMinute} power answers in that minute, ${cpuSeconds.toFixed(1)} s of processor time`,
    `the longest of twenty listings of all beside it: ${longestListMs.toFixed(0)} ms`,
  ]
}

function judged(what: string, found: number, goal: number, unit: string): string {
  const verdict = found <= goal ? 'met' : 'missed'
  return `${what.padEnd(34)} ${found.toFixed(1)} ${unit}  (goal ${goal} ${unit}: ${verdict})`
}
