import { PurlinError } from '@purlin/base'
import type { HostUse, PoolHistory } from '@purlin/schema'
import type { Frame, FrameHistory } from '@purlin/service'
import type { DomainUse } from './machine-use.ts'

const DAY_MS = 86_400_000
const DEFAULT_STEP_MS = 300_000
/** More samples than these are no picture any more. */
const SAMPLES_LIMIT = 10_000

const FIGURES = [
  'cpus',
  'memoryMiB',
  'diskReadBytesPerSecond',
  'diskWriteBytesPerSecond',
  'netReceivedBitsPerSecond',
  'netSentBitsPerSecond',
] as const
type Sample = PoolHistory['samples'][number]

/** One moment of the day: keys as `machine/web-1/cpus`, and what stood there. Pure. */
export function frameOf(
  use: HostUse,
  machines: readonly DomainUse[],
): { readonly keys: readonly string[]; readonly values: Float64Array } {
  const rows = [
    { key: 'host', ...use },
    ...machines.map((machine) => ({
      ...machine,
      key: `machine/${machine.name}`,
      cpus: machine.cpusUsed,
      memoryMiB: machine.memoryUsedMiB,
    })),
  ].toSorted((one, other) => (one.key < other.key ? -1 : 1))
  const keys = rows.flatMap(({ key }) => FIGURES.map((figure) => `${key}/${figure}`))
  return { keys, values: Float64Array.from(rows.flatMap((row) => FIGURES.map((one) => row[one]))) }
}

/** Which part of the day is asked for, in the schema's words. */
export interface DayRange {
  readonly fromMs?: number | undefined
  readonly toMs?: number | undefined
  readonly stepMs?: number | undefined
}

/** The averages of each step in which something was measured, the newest at the end. Errors:
 *  PUR_INVALID for an end before its beginning, or steps without number. */
export async function samplesOf(
  history: FrameHistory,
  prefix: string,
  range: DayRange,
  nowMs: number,
): Promise<{ readonly stepMs: number; readonly samples: Sample[] }> {
  const toMs = range.toMs ?? nowMs
  const fromMs = range.fromMs ?? Math.max(0, toMs - DAY_MS)
  const stepMs = range.stepMs ?? DEFAULT_STEP_MS
  if (fromMs > toMs || (toMs - fromMs) / stepMs > SAMPLES_LIMIT) {
    throw new PurlinError('PUR_INVALID', {
      message: `history from ${fromMs} to ${toMs} in steps of ${stepMs} ms: the end must not lie before the beginning, nor more than ${SAMPLES_LIMIT} steps behind it`,
    })
  }
  const samples: Sample[] = []
  let step: { readonly number: number; readonly frames: number[][]; lastMs: number } | undefined
  const close = (): void => {
    if (step !== undefined) samples.push(averageOf(step.frames, step.lastMs))
  }
  for await (const frame of history.frames(fromMs, toMs)) {
    const values = valuesIn(frame, prefix)
    if (values === undefined) continue
    const number = Math.floor((frame.timeMs - fromMs) / stepMs)
    if (step?.number !== number) {
      close()
      step = { number, frames: [], lastMs: frame.timeMs }
    }
    step.frames.push(values)
    step.lastMs = frame.timeMs
  }
  close()
  return { stepMs, samples }
}

function valuesIn({ keys, values }: Frame, prefix: string): number[] | undefined {
  // Keys are in order, and those of a subject stand together.
  const first = keys.indexOf(`${prefix}/${FIGURES[0]}`)
  if (first < 0) return undefined
  return FIGURES.map((_figure, index) => values[first + index] ?? 0)
}

function averageOf(frames: readonly (readonly number[])[], atMs: number): Sample {
  const average = (index: number): number => {
    const sum = frames.reduce((all, frame) => all + (frame[index] ?? 0), 0)
    return Math.round((sum / frames.length) * 1_000) / 1_000
  }
  const figures = FIGURES.map((figure, index) => [figure, average(index)])
  return { atMs, ...Object.fromEntries(figures) } as Sample
}
