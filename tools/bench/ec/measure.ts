import { quantile } from '../quantile.ts'
import type { Worker } from './worker.ts'

/** One slice of one worker, asked for again in each round. */
export interface Job {
  /** Under what the reading is kept. */
  readonly key: string
  readonly worker: Worker
  readonly line: string
}

/** What the rounds of a job gave. Rates are 10^9 bytes of data a second of CPU time. */
export interface Reading {
  readonly rate: number
  readonly rateLeast: number
  readonly rateMost: number
  /** CPU time of one call, at the median. */
  readonly callNs: number
}

/** The readings of a case by key, and the keys whose bytes were wrong. */
export interface Readings {
  readonly byKey: Readonly<Record<string, Reading>>
  readonly wrong: readonly string[]
}

/** Runs the jobs by turns, `rounds` times each, so that whatever else the machine does strikes
 *  all of them alike; the median of the rounds counts. */
export async function measureJobs(
  jobs: readonly Job[],
  rounds: number,
  signal: AbortSignal,
): Promise<Readings> {
  const rates = new Map<string, number[]>()
  const callBytes = new Map<string, number>()
  const wrong = new Set<string>()
  for (let round = 0; round < rounds; round++) {
    for (const { key, worker, line } of jobs) {
      signal.throwIfAborted()
      const answer = await worker.ask(line)
      if (answer === undefined) continue
      if (!answer.ok) wrong.add(`${key} (${line})`)
      const list = rates.get(key) ?? []
      rates.set(key, list)
      list.push((answer.iters * answer.bytes) / answer.ns)
      callBytes.set(key, answer.bytes)
    }
  }
  const entries = [...rates].map(([key, list]): [string, Reading] => {
    const rate = median(list)
    return [
      key,
      {
        rate,
        rateLeast: Math.min(...list),
        rateMost: Math.max(...list),
        callNs: (callBytes.get(key) ?? 0) / rate,
      },
    ]
  })
  return { byKey: Object.fromEntries(entries), wrong: [...wrong] }
}

/** The middle value. Pure. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The geometric mean; undefined of nothing. Pure. */
export function geometricMean(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)
}
