import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import type { PurlinError } from '@purlin/base'
import test from 'ava'
import type { AdviceRow } from './addon.ts'
import { adviseTrace, kneeOf, simulateTrace } from './index.ts'

const row = (sizeBytes: number, diskRequestsPerRequest: number): AdviceRow => ({
  mode: 'writeback',
  percent: sizeBytes,
  sizeBytes,
  hitRatio: 0.5,
  diskRequestsPerRequest,
  flashWritesPerRequest: 0.1,
})

test('the knee is where more SSD begins to spare little more', (t) => {
  const rows = [row(1, 0.9), row(5, 0.4), row(10, 0.3), row(50, 0.25), row(100, 0.2)]
  t.is(kneeOf(rows)?.sizeBytes, 10)
  t.is(kneeOf([row(1, 1), row(9, 1)]), undefined)
  t.is(kneeOf([]), undefined)
})

test('a packed trace is replayed as a plain one, in every mode and size', async (t) => {
  const lines = Array.from({ length: 4000 }, (_, i) => {
    const page = i % 3 === 0 ? (i * 7) % 300 : (i * i) % 97
    return `${i},${i % 4 === 0 ? 'w' : 'r'},${page * 8},4096\n`
  })
  const plain = join(tmpdir(), `purlin-trace-${process.pid}.csv`)
  await writeFile(plain, lines.join(''))
  await writeFile(`${plain}.zst`, zstdCompressSync(lines.join('')))
  const percents = [30, 100]
  const advice = await adviseTrace(`${plain}.zst`, 'csv', { percents })
  t.deepEqual(advice, await adviseTrace(plain, 'csv', { percents }))
  t.is(advice.requests, 4000)
  t.deepEqual(
    advice.rows.map(({ mode, percent }) => [mode, percent]),
    percents.flatMap((percent) => [
      ['writethrough', percent],
      ['writeback', percent],
    ]),
  )
  t.is((await simulateTrace(`${plain}.zst`, 'csv', { percents: [10] })).requests, 4000)
  await writeFile(`${plain}.zst`, zstdCompressSync(lines.join('')).subarray(0, 200))
  const error = await t.throwsAsync(adviseTrace(`${plain}.zst`, 'csv', { percents }))
  t.is((error as PurlinError).code, 'PUR_CACHE_TRACE')
})
