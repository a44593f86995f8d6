import { PurlinError } from '@purlin/base'
import type { InstanceMetricsHistory, MetricsRange } from '@purlin/schema'
import type { Frame } from '@purlin/service'
import { labelsOf, metricOf } from '../exposition/parse.ts'

const POINT_LIMIT = 100_000
const DEFAULT_SPAN_MS = 60 * 60_000
const DEFAULT_STEPS = 240
const LEAST_STEP_MS = 15_000

/** A range with everything that was left to us filled in. */
export interface Range {
  readonly fromMs: number
  readonly toMs: number
  readonly stepMs: number
  readonly metric: string | undefined
}

/** The wanted range, and what it leaves open. Pure. Errors: PUR_INVALID for an end before the
 *  beginning. */
export function rangeOf(wanted: MetricsRange, nowMs: number): Range {
  const toMs = wanted.toMs ?? nowMs
  const fromMs = wanted.fromMs ?? Math.max(0, toMs - DEFAULT_SPAN_MS)
  if (fromMs > toMs) {
    throw new PurlinError('PUR_INVALID', {
      message: `fromMs is ${fromMs}, after toMs, ${toMs}; ask for a beginning before the end`,
    })
  }
  const quarter = Math.ceil((toMs - fromMs) / DEFAULT_STEPS / LEAST_STEP_MS)
  const stepMs = wanted.stepMs ?? Math.max(1, quarter) * LEAST_STEP_MS
  return { fromMs, toMs, stepMs, metric: wanted.metric }
}

/** Whether the metric of a key is wanted: `node_load1`, or `node_cpu_*` for all that begin so. */
export function isWanted(key: string, metric: string | undefined): boolean {
  if (metric === undefined) return true
  return metric.endsWith('*') ? key.startsWith(metric.slice(0, -1)) : key.startsWith(`${metric}{`)
}

type Points = InstanceMetricsHistory['series'][number]['points']

/** The newest value of each series in each step, with the time it was pushed at. Errors:
 *  PUR_INVALID for more points than an answer may have. */
export async function seriesOf(
  frames: AsyncIterable<Frame>,
  { fromMs, stepMs, metric }: Range,
): Promise<InstanceMetricsHistory['series']> {
  const found = new Map<string, Points>()
  let points = 0
  let known: readonly string[] | undefined
  let wanted: readonly number[] = []
  for await (const { timeMs, keys, values } of frames) {
    if (keys !== known) wanted = [...keys.keys()].filter((i) => isWanted(keys[i] ?? '', metric))
    known = keys
    const step = Math.floor((timeMs - fromMs) / stepMs)
    for (const index of wanted) {
      const key = keys[index] ?? ''
      const series = found.get(key) ?? []
      if (series.length === 0) found.set(key, series)
      const last = series.at(-1)
      const replaces = last !== undefined && Math.floor((last[0] - fromMs) / stepMs) === step
      if (replaces) series.pop()
      else points += 1
      series.push([timeMs, jsonValue(values[index] ?? Number.NaN)])
    }
    if (points > POINT_LIMIT) throw tooMany()
  }
  return [...found]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, series]) => ({ metric: metricOf(key), labels: labelsOf(key), points: series }))
}

/** JSON has no word for what is no finite number. Pure. */
export function jsonValue(value: number): number | null {
  return Number.isFinite(value) ? value : null
}

function tooMany(): PurlinError {
  return new PurlinError('PUR_INVALID', {
    message: `the range holds more than ${POINT_LIMIT} points; name a metric, ask for a shorter time or a longer step`,
  })
}
