import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HostUse } from '@purlin/schema'
import { FrameHistory } from '@purlin/service'
import test from 'ava'
import { frameOf, samplesOf } from './day.ts'
import type { DomainUse } from './machine-use.ts'

const throughput = {
  ...{ diskReadBytesPerSecond: 0, diskWriteBytesPerSecond: 0 },
  ...{ netReceivedBitsPerSecond: 0, netSentBitsPerSecond: 0 },
}
const hostUse = (cpus: number): HostUse => ({
  ...{ measuredAtMs: 0, cpus, memoryMiB: 2_000, load: 0, ...throughput, numa: [] },
})
const domain = (name: string, cpusUsed: number): DomainUse => ({
  ...{ name, cpus: 4, cpusUsed, memoryMiB: 1_024, memoryUsedMiB: 300, ...throughput },
  ...{ diskReadsPerSecond: 0, diskWritesPerSecond: 0 },
})

async function withHistory(use: (history: FrameHistory, folder: string) => Promise<void>) {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-pool-'))
  try {
    await use((await FrameHistory.open(folder)).history, folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function add(history: FrameHistory, atMs: number, cpus: number, machines: DomainUse[]) {
  const { keys, values } = frameOf(hostUse(cpus), machines)
  await history.add(atMs, keys, values)
}

const START_MS = 1_700_000_000_000

test('the day of host and machines is averaged by steps, and outlives the agent', async (t) => {
  await withHistory(async (history, folder) => {
    await add(history, START_MS, 1, [domain('web-1', 0.5), domain('web-10', 3)])
    await add(history, START_MS + 15_000, 2, [domain('web-1', 1.5), domain('web-10', 3)])
    await add(history, START_MS + 60_000, 4, [domain('web-10', 3)])
    const { history: again } = await FrameHistory.open(folder)
    const range = { fromMs: START_MS, toMs: START_MS + 90_000, stepMs: 60_000 }
    const host = await samplesOf(again, 'host', range, 0)
    t.deepEqual(
      host.samples.map(({ atMs, cpus, memoryMiB }) => [atMs - START_MS, cpus, memoryMiB]),
      [
        [15_000, 1.5, 2_000],
        [60_000, 4, 2_000],
      ],
    )
    const web = await samplesOf(again, 'machine/web-1', range, 0)
    t.deepEqual(
      web.samples.map(({ cpus, memoryMiB }) => [cpus, memoryMiB]),
      [[1, 300]],
    )
    t.deepEqual((await samplesOf(again, 'machine/web', range, 0)).samples, [])
  })
})

test('an end before its beginning, and steps without number, are refused', async (t) => {
  await withHistory(async (history) => {
    const codes = [
      { fromMs: 2, toMs: 1 },
      { fromMs: 0, toMs: START_MS, stepMs: 1_000 },
    ]
    for (const range of codes) {
      await t.throwsAsync(samplesOf(history, 'host', range, START_MS), { code: 'PUR_INVALID' })
    }
  })
})
