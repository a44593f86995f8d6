import { quantile } from '../quantile.ts'
import type { HttpFindings, HttpRound } from './http-findings.ts'

/** The least share of nginx's throughput that is no miss. */
const GOAL = 0.8

/** The findings as lines for people: medians of the rounds, and the ratio of each pair of rounds.
 *  Pure. */
export function httpLines(findings: HttpFindings): readonly string[] {
  const { clients, fileMib, ours, nginx, residentMib } = findings
  const ratios = ours.map(
    ({ mibPerSecond }, at) => mibPerSecond / (nginx[at]?.mibPerSecond ?? Number.NaN),
  )
  const ratio = quantile(ratios, 0.5)
  return [
    `HTTP, ${clients} clients that each fetch a file of ${fileMib} MiB, ${ours.length} rounds of each server by turns`,
    line('the boot service', ours),
    line('nginx, sendfile, a worker a core', nginx),
    `ratio of throughput: ${ratio.toFixed(2)} (goal at least ${GOAL}: ${ratio >= GOAL ? 'met' : 'missed'})`,
    `memory of the daemon's process: at most ${residentMib.toFixed(0)} MiB`,
  ]
}

function line(name: string, rounds: readonly HttpRound[]): string {
  const median = (of: keyof HttpRound): number =>
    quantile(
      rounds.map((round) => round[of]),
      0.5,
    )
  const speed = `${median('mibPerSecond').toFixed(0)} MiB/s`
  const cost = `${median('cpuSecondsPerGib').toFixed(2)} s of its processor a GiB`
  return [name.padEnd(34), speed, cost].join('  ')
}
