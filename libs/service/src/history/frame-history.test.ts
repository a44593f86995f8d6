import { appendFile, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { FrameHistory, historyLimits } from './frame-history.ts'

const KEYS = ['node_load1{}', 'node_load5{}']

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-history-'))
  try {
    await use(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function timesOf(history: FrameHistory, fromMs: number, toMs: number): Promise<number[]> {
  return await Array.fromAsync(history.frames(fromMs, toMs), ({ timeMs }) => timeMs)
}

const quarters = (count: number, fromMs: number): number[] =>
  Array.from({ length: count }, (_, index) => fromMs + index * 15_000)

test('what was pushed is there after the process ended without a word', async (t) => {
  await withFolder(async (folder) => {
    const { history } = await FrameHistory.open(folder)
    const times = quarters(10, 1_700_000_000_000)
    for (const timeMs of times) await history.add(timeMs, KEYS, Float64Array.of(timeMs, 2))
    const again = await FrameHistory.open(folder)
    t.deepEqual(await timesOf(again.history, 0, Number.MAX_SAFE_INTEGER), times)
    t.deepEqual((await again.history.last())?.values, Float64Array.of(times.at(-1) ?? 0, 2))
    t.not(again.lastMs, undefined)
    await again.history.add(1_700_000_200_000, KEYS, Float64Array.of(1, 2))
    t.is((await timesOf(again.history, 0, Number.MAX_SAFE_INTEGER)).length, 11)
  })
})

test('a record that was cut off costs itself alone', async (t) => {
  await withFolder(async (folder) => {
    const { history } = await FrameHistory.open(folder)
    await history.add(1_700_000_000_000, KEYS, Float64Array.of(1, 2))
    const [file = ''] = await readdir(folder)
    await appendFile(join(folder, file), Buffer.from([9, 0, 0, 0, 1]))
    const again = (await FrameHistory.open(folder)).history
    await again.add(1_700_000_015_000, KEYS, Float64Array.of(3, 4))
    const times = await timesOf(again, 0, Number.MAX_SAFE_INTEGER)
    t.deepEqual(times, [1_700_000_000_000, 1_700_000_015_000])
  })
})

test('a day is kept and what is older goes, file by file', async (t) => {
  await withFolder(async (folder) => {
    const { history } = await FrameHistory.open(folder)
    const startMs = 1_700_000_000_000
    const hours = 30
    for (const timeMs of quarters(hours * 6, startMs).map((ms) => startMs + (ms - startMs) * 40)) {
      await history.add(timeMs, KEYS, Float64Array.of(timeMs, 2))
    }
    const endMs = startMs + hours * 60 * 60_000 - 600_000
    const times = await timesOf(history, 0, Number.MAX_SAFE_INTEGER)
    const oldest = times[0] ?? 0
    t.true(endMs - oldest >= historyLimits.ageMs, 'the whole day is there')
    t.true(endMs - oldest <= historyLimits.ageMs + 2 * historyLimits.segmentMs)
    t.true((await readdir(folder)).length <= 27)
  })
})

test('only what was asked for is given', async (t) => {
  await withFolder(async (folder) => {
    const { history } = await FrameHistory.open(folder)
    const times = quarters(400, 1_700_000_000_000)
    for (const timeMs of times) await history.add(timeMs, KEYS, Float64Array.of(timeMs, 2))
    const [fromMs = 0, toMs = 0] = [times[100], times[300]]
    t.deepEqual(await timesOf(history, fromMs, toMs), times.slice(100, 301))
  })
})

test('an instance that pushes as much as it may is kept within its bound', async (t) => {
  await withFolder(async (folder) => {
    const limits = { ...historyLimits, bytes: 256 * 1024, segmentBytes: 16 * 1024 }
    const { history } = await FrameHistory.open(folder, limits)
    const keys = Array.from({ length: 500 }, (_, index) => `node_x{a="${index}"}`)
    for (let turn = 0; turn < 100; turn += 1) {
      const hostile = Float64Array.from(keys, (_, index) => Math.sqrt(turn * 500 + index + 0.5))
      await history.add(1_700_000_000_000 + turn * 5000, keys, hostile)
      t.true(history.sizeBytes() <= limits.bytes)
    }
    t.true(history.sizeBytes() > limits.bytes / 2)
  })
})

test('a clock that is put back loses nothing that was pushed', async (t) => {
  await withFolder(async (folder) => {
    const { history } = await FrameHistory.open(folder)
    await history.add(1_700_000_060_000, KEYS, Float64Array.of(1, 2))
    const again = (await FrameHistory.open(folder)).history
    await again.add(1_700_000_000_000, KEYS, Float64Array.of(3, 4))
    t.deepEqual(await timesOf(again, 0, 1_700_000_100_000), [1_700_000_060_000, 1_700_000_000_000])
  })
})
