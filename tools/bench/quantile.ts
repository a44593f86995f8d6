/** The value that `share` of the values do not exceed (nearest rank). Pure. Shape: `share` is above
 *  0 up to 1. An empty list has no quantile and gives NaN. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN
}

/** Median and tail of a series, for people and programs; the unit is that of the values. */
export interface Summary {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly largest: number
}

/** Sums a series up, rounded to hundredths. Pure. */
export function summarize(values: readonly number[]): Summary {
  const round = (value: number): number => Math.round(value * 100) / 100
  return {
    count: values.length,
    p50: round(quantile(values, 0.5)),
    p99: round(quantile(values, 0.99)),
    largest: round(quantile(values, 1)),
  }
}
