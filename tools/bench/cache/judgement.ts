import type { SimulationRow } from '@purlin/cache-native'

/** The rows of one trace. */
export interface TraceRows {
  readonly trace: string
  readonly distinctPages: number
  readonly rows: readonly SimulationRow[]
}

/** One trace at one size: ours beside the best of the others. */
export interface Case {
  readonly trace: string
  readonly percent: number
  readonly missRatio: number
  /** The policy with the fewest misses of those that do not know the future. */
  readonly best: { readonly policy: string; readonly missRatio: number }
  /** The optimum that knows the future. */
  readonly beladyMissRatio: number
  /** Our flash writes over those of LRU. */
  readonly flashWriteRatio: number
  readonly metadataBytesPerPage: number
}

export interface Judgement {
  readonly cases: readonly Case[]
  /** The geometric mean of the miss ratios of all cases, lowest first. */
  readonly means: readonly { readonly policy: string; readonly missRatio: number }[]
  /** The most that our miss ratio is above the best of a case. */
  readonly worstExcess: number
  /** Cases in which it is above the best by more than the goal. */
  readonly casesOverGoal: number
  /** Our flash writes over those of LRU: geometric mean of the cases, and all writes together. */
  readonly flashWriteRatio: { readonly mean: number; readonly together: number }
}

/** What is wanted of the policy. */
export const goals = { excessMax: 0.03, flashWriteRatioMax: 0.25 } as const

/** Judges the rows of several traces. Pure. `traces` has a row of every policy at each size. */
export function judge(traces: readonly TraceRows[]): Judgement {
  const cases = traces.flatMap(casesOf)
  const all = traces.flatMap(({ rows }) => rows)
  const policies = [...new Set(all.map(({ policy }) => policy))]
  const of = (name: string) => all.filter(({ policy }) => policy === name)
  const means = policies.map((policy) => ({
    policy,
    missRatio: geometricMean(of(policy).map(({ missRatio }) => missRatio)),
  }))
  const excesses = cases.map(({ missRatio, best }) => missRatio - best.missRatio)
  const written = (name: string) => sum(of(name).map((row) => row.flashWritesPerRequest))
  return {
    cases,
    means: means.toSorted((one, other) => one.missRatio - other.missRatio),
    worstExcess: Math.max(...excesses),
    casesOverGoal: excesses.filter((excess) => excess > goals.excessMax).length,
    flashWriteRatio: {
      mean: geometricMean(cases.map(({ flashWriteRatio }) => flashWriteRatio)),
      together: written('purlin') / written('lru'),
    },
  }
}

function casesOf({ trace, distinctPages, rows }: TraceRows): readonly Case[] {
  return rows
    .filter(({ policy }) => policy === 'purlin')
    .map((ours) => {
      const others = rows.filter((row) => row.percent === ours.percent && row.policy !== 'purlin')
      const named = (name: string) => others.find(({ policy }) => policy === name)
      const best = others
        .filter(({ policy }) => policy !== 'belady')
        .reduce((one, other) => (other.missRatio < one.missRatio ? other : one))
      return {
        trace,
        percent: ours.percent,
        missRatio: ours.missRatio,
        best: { policy: best.policy, missRatio: best.missRatio },
        beladyMissRatio: named('belady')?.missRatio ?? 0,
        flashWriteRatio: ours.flashWritesPerRequest / (named('lru')?.flashWritesPerRequest ?? 1),
        metadataBytesPerPage: ours.metadataBytes / ((distinctPages * ours.percent) / 100),
      }
    })
}

function geometricMean(ratios: readonly number[]): number {
  return Math.exp(sum(ratios.map(Math.log)) / ratios.length)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
