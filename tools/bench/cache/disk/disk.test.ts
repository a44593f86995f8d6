import test from 'ava'
import { judge, type Run } from './compare.ts'
import { figuresOf, fioWords, jobs } from './jobs.ts'

const run = (side: Run['side'], iops: number, p99Ms: number): Run => ({
  side,
  iops,
  p99Ms,
  p50Ms: 1,
  requests: 100,
  reads: 70,
  cpuUs: 5,
  diskRequestsSaved: side === 'purlin' ? 0.8 : undefined,
})

test('the median of the rounds’ ratios counts, and the mix’s tail with it', (t) => {
  const rounds = [
    [run('bare', 100, 8), run('purlin', 500, 7), run('nbdkit', 200, 9)],
    [run('bare', 90, 8), run('purlin', 90, 20), run('nbdkit', 180, 9)],
    [run('bare', 100, 8), run('purlin', 450, 8), run('nbdkit', 210, 9)],
  ]
  const found = judge(jobs.mix, 1, rounds)
  t.is(found.ratio, 4.5)
  t.is(found.p99Ratio, 1)
  t.is(found.peerRatio, 2)
  t.is(found.diskRequestsSaved, 0.8)
  t.true(found.met)
  t.false(judge(jobs.read, 1, rounds.slice(1, 2)).met)
})

test('what fio prints of both directions is one rate, and the worse tail', (t) => {
  const side = (iops: number, p99: number) => ({
    iops,
    total_ios: iops,
    clat_ns: { percentile: { '50.000000': 1e6, '99.000000': p99 } },
  })
  const text = JSON.stringify({ jobs: [{ error: 0, read: side(70, 3e6), write: side(30, 9e6) }] })
  const found = { iops: 100, p50Ms: 1, p99Ms: 9, requests: 100, reads: 70 }
  t.deepEqual(figuresOf(`connected\n${text}`), found)
  t.throws(() => figuresOf(text.replace('"error":0', '"error":5')))
})

test('a load has a time that is not counted', (t) => {
  const words = fioWords(jobs.read.words, 'nbd://x', 7, 3)
  t.true(words.includes('--runtime=7') && words.includes('--ramp_time=3'))
})
