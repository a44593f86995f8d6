import test from 'ava'
import { judge } from './judgement.ts'

const row = (policy: string, missRatio: number, flashWritesPerRequest = missRatio) => ({
  policy,
  percent: 10,
  missRatio,
  flashWritesPerRequest,
  metadataBytes: 1000,
})

test('ours is judged against the best of each case, and the optimum is not one of them', (t) => {
  const judged = judge([
    {
      trace: 'a',
      distinctPages: 1000,
      rows: [row('purlin', 0.3, 0.1), row('lru', 0.4), row('arc', 0.29), row('belady', 0.1)],
    },
    {
      trace: 'b',
      distinctPages: 1000,
      rows: [row('purlin', 0.3, 0.02), row('lru', 0.2), row('arc', 0.5), row('belady', 0.1)],
    },
  ])
  t.deepEqual(
    judged.cases.map(({ best, metadataBytesPerPage }) => [best.policy, metadataBytesPerPage]),
    [
      ['arc', 10],
      ['lru', 10],
    ],
  )
  t.is(judged.casesOverGoal, 1)
  t.is(judged.worstExcess.toFixed(3), '0.100')
  t.deepEqual(
    judged.means.map(({ policy, missRatio }) => [policy, missRatio.toFixed(4)]),
    [
      ['belady', '0.1000'],
      ['lru', '0.2828'],
      ['purlin', '0.3000'],
      ['arc', '0.3808'],
    ],
  )
  t.is(judged.flashWriteRatio.mean.toFixed(4), '0.1581')
  t.is(judged.flashWriteRatio.together.toFixed(2), '0.20')
})
