import test from 'ava'
import { quantile, summarize } from './quantile.ts'

test('a quantile is a value of the series, by nearest rank', (t) => {
  const values = Array.from({ length: 200 }, (_, index) => 200 - index)
  t.is(quantile(values, 0.5), 100)
  t.is(quantile(values, 0.99), 198)
  t.is(quantile(values, 1), 200)
  t.is(quantile([7], 0.01), 7)
  t.is(quantile([], 0.5), Number.NaN)
})

test('a summary has the count, the median, the tail and the largest', (t) => {
  t.deepEqual(summarize([3, 1, 2.345]), { count: 3, p50: 2.35, p99: 3, largest: 3 })
})
