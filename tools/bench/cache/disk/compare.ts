import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@purlin/base'
import { useOfTree } from '../../process-tree.ts'
import { quantile } from '../../quantile.ts'
import { type Figures, figuresOf, fioWords, type Job, jobs } from './jobs.ts'
import { type Side, startSide } from './sides.ts'

/** How many times the bare disk each load is to be, and what else is wanted. */
export const goals: Readonly<
  Record<keyof typeof jobs, { readonly ratioMin: number; readonly p99RatioMax?: number }>
> = {
  read: { ratioMin: 4.5 },
  through: { ratioMin: 0.95 },
  back: { ratioMin: 10 },
  mix: { ratioMin: 4, p99RatioMax: 1 },
  full: { ratioMin: 0.9 },
  fullDeep: { ratioMin: 0.9 },
}

export interface Run extends Figures {
  readonly side: Side['name']
  readonly cpuUs: number
  readonly diskRequestsSaved: number | undefined
}

export interface DiskFinding {
  readonly job: string
  readonly delayMs: number
  /** Medians of the rounds. */
  readonly bareIops: number
  readonly iops: number
  readonly ratio: number
  readonly p99Ratio: number
  readonly cpuUs: number
  readonly diskRequestsSaved: number | undefined
  readonly peerRatio: number
  readonly peerP99Ratio: number
  readonly peerCpuUs: number
  readonly ratioMin: number
  readonly met: boolean
}

export interface DiskOptions {
  readonly rounds: number
  readonly seconds: number
  readonly delaysMs: readonly number[]
  readonly folder: string
  readonly program: string
}

const SLACK_MS = 600_000
const NAMES = ['bare', 'purlin', 'nbdkit'] as const

/** Every load at every delay on the bare disk, with our cache and with nbdkit’s, in turn. */
export async function compareDisks(
  { rounds, seconds, delaysMs, folder, program }: DiskOptions,
  note: (what: string) => void,
  signal: AbortSignal,
): Promise<readonly DiskFinding[]> {
  const found: DiskFinding[] = []
  for (const delayMs of delaysMs) {
    for (const job of Object.values(jobs)) {
      const runs: Run[][] = []
      for (let round = 0; round < rounds; round += 1) {
        // Nobody always has the warmer machine.
        const order = NAMES.map((_, at) => NAMES[(at + round) % NAMES.length] ?? 'bare')
        const of: Run[] = []
        for (const name of order) {
          note(`${job.title}, ${delayMs} ms, ${name}`)
          const home = await mkdtemp(join(folder, 'side-'))
          try {
            of.push(await measure(name, home, job, delayMs, seconds, program, signal))
          } finally {
            await rm(home, { recursive: true, force: true })
          }
        }
        runs.push(of)
      }
      found.push(judge(job, delayMs, runs))
    }
  }
  return found
}

async function measure(
  name: Side['name'],
  home: string,
  job: Job,
  delayMs: number,
  seconds: number,
  program: string,
  signal: AbortSignal,
): Promise<Run> {
  const side = await startSide(name, home, job, delayMs, program)
  try {
    const before = await used(side)
    const words = fioWords(job.words, side.uri, seconds, job.full ? 0 : seconds)
    const { stdout } = await run('fio', words, { timeoutMs: SLACK_MS, signal })
    const figures = figuresOf(stdout)
    // The warm-up counts on both sides of these.
    const requests = Math.max(1, figures.requests)
    const disk = await side.diskRequests()
    return {
      ...figures,
      side: name,
      cpuUs: ((await used(side)) - before) / requests,
      diskRequestsSaved: disk === undefined ? undefined : 1 - disk / requests,
    }
  } finally {
    await side.stop()
  }
}

async function used({ process }: Side): Promise<number> {
  return process === undefined ? 0 : (await useOfTree(process)).cpuMs * 1000
}

/** Sums rounds up: medians of each round’s ratios. Pure. */
export function judge(job: Job, delayMs: number, rounds: readonly (readonly Run[])[]): DiskFinding {
  const median = (of: (runs: readonly Run[]) => number): number => quantile(rounds.map(of), 0.5)
  const field = (side: Side['name'], name: 'iops' | 'p99Ms' | 'cpuUs') => (runs: readonly Run[]) =>
    runs.find((each) => each.side === side)?.[name] ?? Number.NaN
  const ratio = (side: Side['name'], name: 'iops' | 'p99Ms') =>
    median((runs) => field(side, name)(runs) / field('bare', name)(runs))
  const goal = goals[job.name as keyof typeof goals]
  const [own, p99Ratio] = [ratio('purlin', 'iops'), ratio('purlin', 'p99Ms')]
  const saved = rounds.flatMap((runs) =>
    runs.flatMap(({ diskRequestsSaved }) =>
      diskRequestsSaved === undefined ? [] : [diskRequestsSaved],
    ),
  )
  return {
    job: job.title,
    delayMs,
    bareIops: median(field('bare', 'iops')),
    iops: median(field('purlin', 'iops')),
    ratio: own,
    p99Ratio,
    cpuUs: median(field('purlin', 'cpuUs')),
    diskRequestsSaved: saved.length === 0 ? undefined : quantile(saved, 0.5),
    peerRatio: ratio('nbdkit', 'iops'),
    peerP99Ratio: ratio('nbdkit', 'p99Ms'),
    peerCpuUs: median(field('nbdkit', 'cpuUs')),
    ratioMin: goal.ratioMin,
    met: own >= goal.ratioMin && p99Ratio <= (goal.p99RatioMax ?? Number.POSITIVE_INFINITY),
  }
}
