import { quantile } from '../quantile.ts'
import { measure } from './fio.ts'
import type { Figures, Job, Limit } from './jobs.ts'
import type { Server } from './servers.ts'

/** A goal of one load: how many times the peer's. */
export interface Goal {
  readonly iopsRatioMin: number
  readonly p99RatioMax?: number
  readonly cpuRatioMax?: number
}

/** A load on Purlin and on its peer. */
export interface Comparison {
  readonly title: string
  readonly job: Job
  readonly purlin: Server
  readonly peer: Server
  readonly goal: Goal
  /** Before each run of Purlin's side. */
  readonly prepare?: () => Promise<unknown>
}

/** The medians of both sides, and of the rounds' ratios. */
export interface Finding {
  readonly title: string
  readonly purlin: string
  readonly peer: string
  readonly own: Figures
  readonly other: Figures
  readonly iopsRatio: number
  readonly p99Ratio: number
  readonly cpuRatio: number
  readonly goal: Goal
  readonly met: boolean
}

/** Runs both sides in turn, the order changed each round, so that neither always has the warmer
 *  machine. */
export async function compare(
  { title, job, purlin, peer, goal, prepare }: Comparison,
  rounds: number,
  limit: Limit,
  signal: AbortSignal,
): Promise<Finding> {
  const own: Figures[] = []
  const other: Figures[] = []
  for (let round = 0; round < rounds; round++) {
    const sides = round % 2 === 0 ? [purlin, peer] : [peer, purlin]
    for (const side of sides) {
      if (side === purlin) await prepare?.()
      const figures = await measure(job, side, limit, signal)
      ;(side === purlin ? own : other).push(figures)
    }
  }
  return { title, purlin: purlin.name, peer: peer.name, goal, ...judge(own, other, goal) }
}

/** Sums rounds up: medians of each side, and the medians of the ratios of each round. Pure. */
export function judge(
  own: readonly Figures[],
  other: readonly Figures[],
  goal: Goal,
): Omit<Finding, 'title' | 'purlin' | 'peer' | 'goal'> {
  const ratio = (field: keyof Figures): number => {
    const ratios = own.map(
      (figures, round) => figures[field] / (other[round]?.[field] ?? Number.NaN),
    )
    return quantile(ratios, 0.5)
  }
  const [iopsRatio, p99Ratio, cpuRatio] = [ratio('iops'), ratio('p99Us'), ratio('serverCpuUs')]
  const met =
    iopsRatio >= goal.iopsRatioMin &&
    p99Ratio <= (goal.p99RatioMax ?? Number.POSITIVE_INFINITY) &&
    cpuRatio <= (goal.cpuRatioMax ?? Number.POSITIVE_INFINITY)
  return { own: medians(own), other: medians(other), iopsRatio, p99Ratio, cpuRatio, met }
}

function medians(rounds: readonly Figures[]): Figures {
  const median = (field: keyof Figures): number =>
    quantile(
      rounds.map((figures) => figures[field]),
      0.5,
    )
  return {
    iops: median('iops'),
    p50Us: median('p50Us'),
    p99Us: median('p99Us'),
    largestUs: median('largestUs'),
    serverCpuUs: median('serverCpuUs'),
  }
}
