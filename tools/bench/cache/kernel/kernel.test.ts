import test from 'ava'
import { runsOf } from './compare.ts'
import { cacheStatus, writecacheStatus } from './mapper.ts'
import { requestsOf } from './memory-disk.ts'
import { kernelLines, spared } from './report.ts'

test('what the kernel says of a disk and of its caches is read', (t) => {
  const stat = '  10 2 160 5 30 4 480 9 0 12 14 0 0 0 0 0 0\n'
  const disk = { reads: 10, writes: 30, readBytes: 81_920, writtenBytes: 245_760 }
  t.deepEqual(requestsOf(stat), disk)
  t.is(spared(disk, 100), 0.6)
  const cache =
    '0 532480 cache 8 34/512 64 1888/1984 700 300 20 30 1 2 5 1 writeback 2 migration_threshold 2048 smq 0 rw - '
  t.deepEqual(cacheStatus(cache), { reads: 1000, hits: 700, dirty: 5 })
  const writecache = '0 532480 writecache 0 16240 900 0 50 20 100 0 0 0 0 100 0 0 0'
  t.deepEqual(writecacheStatus(writecache), { reads: 50, hits: 20 })
})

test('a guest’s lines are runs, and a run is a row', (t) => {
  const disk = { reads: 10, writes: 30, readBytes: 0, writtenBytes: 0 }
  const run = {
    ...{ load: 'mix', peer: 'purlin', requests: 100, hitRatio: 0.9 },
    ...{ disk, diskInAll: { ...disk, writes: 70 }, ssdWrittenBytes: 409_600 },
  }
  const runs = runsOf(`a word\n${JSON.stringify(run)}\n`)
  t.regex(kernelLines(runs).at(-1) ?? '', /^mix +purlin +0\.900 +10 +30 +0\.600 +0\.600 +4096$/)
})
