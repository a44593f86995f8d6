import { quantile } from '../quantile.ts'
import type { ServiceFindings, ServiceRound } from './findings.ts'

/** The least share of a plain dnsmasq's answers that is no miss. */
const GOAL = 0.95

/** The findings as lines for people: medians of the rounds, and the ratio of each pair of rounds.
 *  Pure. */
export function reportLines(findings: ServiceFindings): readonly string[] {
  const { ours, plain, changing, reservations, slots } = findings
  const median = (rounds: readonly ServiceRound[], of: keyof ServiceRound): number =>
    quantile(
      rounds.map((round) => round[of]),
      0.5,
    )
  const line = (name: string, rounds: readonly ServiceRound[]): string =>
    [
      name.padEnd(32),
      `${Math.round(median(rounds, 'perSecond'))} answers a second`,
      `p50 ${median(rounds, 'p50Ms').toFixed(2)} ms`,
      `p99 ${median(rounds, 'p99Ms').toFixed(2)} ms`,
      `${median(rounds, 'cpuMicroseconds').toFixed(0)} us of its processor an answer`,
      `lost ${sum(rounds, 'lost')}, wrong ${sum(rounds, 'wrong')}`,
    ].join('  ')
  const ratio = ratioOf(ours, plain)
  return [
    `DHCP, ${reservations} reservations, ${slots} machines at once, ${ours.length} rounds of each side by turns`,
    line('a port group', ours),
    line('plain dnsmasq', plain),
    line('a port group, 4 changes a second', changing),
    `ratio of answers a second: ${ratio.toFixed(2)} (goal at least ${GOAL}: ${ratio >= GOAL ? 'met' : 'missed'}); while changing ${ratioOf(changing, plain).toFixed(2)}`,
  ]
}

function ratioOf(one: readonly ServiceRound[], other: readonly ServiceRound[]): number {
  const ratios = one.map(({ perSecond }, at) => perSecond / (other[at]?.perSecond ?? Number.NaN))
  return quantile(ratios, 0.5)
}

function sum(rounds: readonly ServiceRound[], of: 'lost' | 'wrong'): number {
  return rounds.reduce((total, round) => total + round[of], 0)
}
