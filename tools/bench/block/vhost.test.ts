import test from 'ava'
import { jobs } from './jobs.ts'
import { rowsOf, vhostFigures } from './vhost.ts'

test('what the vhost-user driver prints becomes the figures of a load', (t) => {
  const words = { requests: 500, tookNs: 250_000_000, p50Ns: 50_000, p99Ns: 90_000 }
  const text = JSON.stringify({ ...words, largestNs: 95_000 })
  t.deepEqual(vhostFigures(`${text}\n`, 10_000), {
    ...{ iops: 2000, p50Us: 50, p99Us: 90, largestUs: 95, serverCpuUs: 20 },
  })
  t.throws(() => vhostFigures('{}', 1), { message: /no result/ })
})

test('loads by vhost-user are shown beside the peer’s and have no goal', (t) => {
  const figures = (iops: number) => ({ iops, p50Us: 1, p99Us: 2, largestUs: 3, serverCpuUs: 4 })
  const rows = rowsOf(jobs.read1, [figures(30)], [figures(20)], 'qemu raw')
  t.deepEqual(
    rows.map(({ value, unit }) => `${value} ${unit}`),
    [
      ...['30 a second', '1.5 times qemu raw', '1 us, qemu raw 1', '1 times qemu raw'],
      ...['4 us', '1 times qemu raw'],
    ],
  )
  t.true(rows.every(({ goal, met }) => goal === undefined && met === undefined))
})
