import { readFile } from 'node:fs/promises'
import test from 'ava'
import { recordedTree } from '../../tests/support/recorded-tree.ts'
import { type HostCounters, readCounters } from './counters.ts'
import { hostUseOf } from './host-use.ts'

const RECORDED = new URL('../../tests/fixtures/virtual-machine.json', import.meta.url)
const NAMES = { disks: new Set(['vda']), links: new Set(['eth0']) }

async function recordedCounters(): Promise<HostCounters> {
  await using recorded = await recordedTree(JSON.parse(await readFile(RECORDED, 'utf8')))
  return await readCounters(recorded.tree, NAMES)
}

test('recorded counters are read: processors, memory, disks, links, pressure', async (t) => {
  const counters = await recordedCounters()
  t.deepEqual([...counters.cpus.keys()], [0, 1])
  t.is(counters.memory.get('MemTotal'), 24_684_084 * 1_024)
  t.deepEqual(
    counters.disks.map(({ name }) => name),
    ['vda'],
  )
  t.true((counters.disks[0]?.readBytes ?? 0) > 0)
  t.true((counters.links[0]?.receivedPackets ?? 0) > 0)
  t.is(counters.pressure.memory?.averageTenSeconds, 0)
  t.is(counters.load.length, 3)
  t.is(counters.numa[0]?.node, 0)
})

const times = (user: number, idle: number) => ({
  ...{ user, nice: 0, system: 0, idle, iowait: 0, irq: 0, softirq: 0, steal: 0 },
})
const disk = (readBytes: number) => ({
  ...{ name: 'sda', reads: 0, writes: 0, readBytes, writtenBytes: 0, busySeconds: 0 },
})
const at = (busySeconds: number, readBytes: number): HostCounters => ({
  cpus: new Map([
    [0, times(busySeconds, 100 - busySeconds)],
    [1, times(0, 100)],
  ]),
  memory: new Map([
    ['MemTotal', 8_192 * 1_048_576],
    ['MemAvailable', 6_144 * 1_048_576],
  ]),
  ...{ load: [0.5, 0, 0], disks: [disk(readBytes)], links: [], pressure: {}, numa: [] },
})

test('rates are between two counts; busy processors go by the kernel’s own time', (t) => {
  const former = { ...at(0, 0), cpus: new Map([[0, times(0, 90)]]) }
  const use = hostUseOf(at(5, 4_000), { counters: former, secondsAgo: 2 }, 7)
  t.is(
    use.cpus,
    0.5,
    'five seconds of ten, whatever the clock says, and no word of a new processor',
  )
  t.is(use.diskReadBytesPerSecond, 2_000)
  t.is(use.memoryMiB, 2_048)
  t.is(use.measuredAtMs, 7)
})

test('a counter that went back counts from nothing, and one count alone has no rates', (t) => {
  const use = hostUseOf(at(5, 10), { counters: at(5, 4_000), secondsAgo: 2 }, 0)
  t.is(use.diskReadBytesPerSecond, 0)
  t.is(use.cpus, 0)
  t.is(hostUseOf(at(5, 10), undefined, 0).diskReadBytesPerSecond, 0)
})
