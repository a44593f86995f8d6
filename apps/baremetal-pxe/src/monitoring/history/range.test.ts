import type { Frame } from '@purlin/service'
import test from 'ava'
import { rangeOf, seriesOf } from './range.ts'

async function* framesOf(count: number, series = 2): AsyncGenerator<Frame> {
  const keys = Array.from({ length: series }, (_, index) => `node_x${index}{device="d"}`)
  for (let index = 0; index < count; index += 1) {
    const values = Float64Array.from(keys, (_, at) => index * 10 + at)
    yield { timeMs: index * 15_000, keys, values }
  }
}

test('a day is answered in at most 240 steps, an hour in quarters of a minute', (t) => {
  const day = 24 * 60 * 60_000
  t.is(rangeOf({ fromMs: 0, toMs: day }, day).stepMs, 360_000)
  t.like(rangeOf({}, day), { fromMs: day - 3_600_000, toMs: day, stepMs: 15_000 })
  t.throws(() => rangeOf({ fromMs: 2, toMs: 1 }, day), { code: 'PUR_INVALID' })
})

test('each step has its newest value and the time it was pushed at', async (t) => {
  const range = { fromMs: 0, toMs: 150_000, stepMs: 60_000, metric: 'node_x1' }
  t.deepEqual(await seriesOf(framesOf(10), range), [
    {
      metric: 'node_x1',
      labels: { device: 'd' },
      points: [
        [45_000, 31],
        [105_000, 71],
        [135_000, 91],
      ],
    },
  ])
})

test('the beginning of a name asks for all that begin so', async (t) => {
  const range = { fromMs: 0, toMs: 1, stepMs: 15_000, metric: 'node_*' }
  t.is((await seriesOf(framesOf(1), range)).length, 2)
  t.is((await seriesOf(framesOf(1), { ...range, metric: 'node_' })).length, 0)
})

test('an answer that would be too long is refused before it is made', async (t) => {
  const range = { fromMs: 0, toMs: 1e9, stepMs: 15_000, metric: undefined }
  await t.throwsAsync(seriesOf(framesOf(5000, 50), range), { code: 'PUR_INVALID' })
})
