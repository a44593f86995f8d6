import test from 'ava'
import { judge } from './compare.ts'
import { figuresOf } from './fio.ts'
import { fioWords, jobs } from './jobs.ts'
import { poolText, shapesOf } from './shapes.ts'
import { readWords } from './verb.ts'

const figures = (iops: number, p99Us: number, serverCpuUs: number) => ({
  iops,
  p50Us: p99Us / 2,
  p99Us,
  largestUs: 2 * p99Us,
  serverCpuUs,
})

test('a goal is met when the median of the rounds’ ratios is, one bad round or not', (t) => {
  const goal = { iopsRatioMin: 1.2, p99RatioMax: 1, cpuRatioMax: 0.6 }
  const peer = [figures(100, 10, 10), figures(50, 20, 20), figures(100, 10, 10)]
  const good = judge([figures(130, 9, 5), figures(70, 18, 11), figures(10, 99, 50)], peer, goal)
  t.true(good.met)
  t.is(good.iopsRatio, 1.3)
  t.is(good.cpuRatio, 0.55)
  t.false(judge([figures(119, 9, 5)], [figures(100, 10, 10)], goal).met)
  t.false(judge([figures(130, 11, 5)], [figures(100, 10, 10)], goal).met)
  t.false(judge([figures(130, 9, 7)], [figures(100, 10, 10)], goal).met)
})

test('what fio prints becomes rates, latencies and the server’s time for each request', (t) => {
  const side = (ios: number) => ({
    iops: ios / 2,
    total_ios: ios,
    clat_ns: { max: 95_000, percentile: { '50.000000': 50_000, '99.000000': 90_000 } },
  })
  const text = JSON.stringify({ jobs: [{ error: 0, read: side(1000), write: side(0) }] })
  t.deepEqual(figuresOf(`fio: connected to NBD server\n${text}`, jobs.read1, 20_000), {
    iops: 500,
    p50Us: 50,
    p99Us: 90,
    largestUs: 95,
    serverCpuUs: 20,
  })
  const failed = text.replace('"error":0', '"error":5')
  t.throws(() => figuresOf(failed, jobs.read1, 1), { message: /no result/ })
})

test('a run ends by time or by bytes', (t) => {
  t.true(fioWords(jobs.write1, 'nbd://x', { seconds: 3 }).includes('--runtime=3'))
  t.true(fioWords(jobs.write1, 'nbd://x', { bytes: 4096 }).includes('--io_size=4096'))
})

test('the configuration of a benchmark’s pool names every disk and every volume', (t) => {
  const text = poolText(shapesOf(false).two)
  t.regex(text, /name: d1, server: s1, path: \.\/d1\.img, sizeGiB: 3/)
  t.regex(poolText(shapesOf(true).history), /name: bare\nspec: { pool: p, sizeGiB: 0\.125 }/)
})

test('a quick run has fewer and shorter rounds, unless it is told otherwise', (t) => {
  t.like(readWords([]), { rounds: 5, seconds: 3, quick: false })
  t.like(readWords(['--quick']), { rounds: 2, seconds: 1, quick: true })
  t.like(readWords(['--quick', '--rounds', '9']), { rounds: 9, seconds: 1 })
  t.throws(() => readWords(['--rounds', '0']), { code: 'PUR_INVALID' })
})
