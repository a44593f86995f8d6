import type { HostPool } from '@purlin/schema'
import type { MachineCounters } from '@purlin/virt'
import test from 'ava'
import { poolExposition } from './exposition.ts'
import { domainUses } from './machine-use.ts'
import type { Measured } from './measure.ts'
import { isWorthTelling } from './telling.ts'

const machine = (cpuSeconds: number, readBytes: number): MachineCounters => ({
  ...{
    name: 'a "b"',
    state: 1,
    cpus: 2,
    cpuSeconds,
    memoryBytes: 2 ** 27,
    memoryMostBytes: 2 ** 28,
  },
  residentBytes: 2 ** 26,
  disks: [{ target: 'vda', reads: 1, writes: 2, readBytes, writtenBytes: 4 }],
  nics: [],
})
const times = {
  ...{ user: 1.5, nice: 0, system: 0, idle: 9, iowait: 0, irq: 0, softirq: 0, steal: 0 },
}
const measured = (monotonicMs: number, machines: readonly MachineCounters[]): Measured => ({
  atMs: 0,
  monotonicMs,
  machines,
  host: {
    cpus: new Map([[0, times]]),
    memory: new Map([['MemTotal', 1_024]]),
    load: [0.5, 0.25, 0.1],
    disks: [],
    links: [],
    pressure: { io: { averageTenSeconds: 1, waitedSeconds: 2.5 } },
    numa: [],
  },
})
const figure = { total: 8, limit: 32, reserved: 4, overcommitted: 0 }
const pool: HostPool = {
  ...{ host: 'one', present: true, machines: 1, activeMachines: 1 },
  ...{ cpus: figure, memoryMiB: { ...figure, used: 2 } },
}

test('host and machines are exported under the names of the field, hostile ones escaped', (t) => {
  const lines = poolExposition(measured(0, [machine(2.5, 8)]), [pool]).split('\n')
  for (const line of [
    'node_cpu_seconds_total{cpu="0",mode="user"} 1.5',
    '# TYPE node_cpu_seconds_total counter',
    'node_memory_MemTotal_bytes 1024',
    'node_load5 0.25',
    'node_pressure_io_waiting_seconds_total 2.5',
    'libvirt_up 1',
    'libvirt_domain_info_cpu_time_seconds_total{domain="a \\"b\\""} 2.5',
    'libvirt_domain_block_stats_read_bytes_total{domain="a \\"b\\"",target_device="vda"} 8',
    'purlin_pool_cpus_count{host="one",figure="limit"} 32',
    'purlin_pool_memory_bytes{host="one",figure="used"} 2097152',
  ]) {
    t.true(lines.includes(line), line)
  }
  t.false(
    lines.some((line) => line.startsWith('node_disk')),
    'what there is none of is not named',
  )
})

test('libvirt that does not answer is told, and no machine', (t) => {
  const text = poolExposition({ ...measured(0, []), unmeasured: 'no answer' }, [])
  t.regex(text, /^libvirt_up 0$/m)
  t.notRegex(text, /libvirt_domain/)
})

test('rates of a machine are between two measures; one that is new or was started anew has none', (t) => {
  const before = measured(1_000, [machine(2, 0)])
  const [use] = domainUses(before, measured(3_000, [machine(3, 4_096)]))
  t.like(use, { cpusUsed: 0.5, diskReadBytesPerSecond: 2_048, memoryMiB: 128, memoryUsedMiB: 64 })
  t.like(domainUses(before, measured(3_000, [machine(1, 0)])), [{ cpusUsed: 0 }])
  t.like(domainUses(undefined, measured(3_000, [machine(1, 0)])), [{ cpusUsed: 0 }])
})

test('the fleet is told of what has changed by a twentieth, and once a minute', (t) => {
  const capacity = {
    ...{ cpus: 8, memoryMiB: 10_000, reservedCpus: 0, reservedMemoryMiB: 0 },
    ...{ cpuRatio: 1, memoryRatio: 1 },
  }
  const told = (cpus: number, memoryMiB: number, measuredAtMs: number) => ({
    devices: { numaNodes: 1, disks: 1, diskBytes: 1, nics: 1, gpus: 0 },
    use: {
      ...{ measuredAtMs, cpus, memoryMiB, load: 0, numa: [], diskReadBytesPerSecond: 0 },
      ...{ diskWriteBytesPerSecond: 0, netReceivedBitsPerSecond: 0, netSentBitsPerSecond: 0 },
    },
  })
  const first = told(1, 1_000, 0)
  t.true(isWorthTelling(undefined, first, capacity))
  t.false(isWorthTelling(first, told(1.3, 1_400, 15_000), capacity))
  t.true(isWorthTelling(first, told(1.5, 1_000, 15_000), capacity))
  t.true(isWorthTelling(first, told(1, 1_500, 15_000), capacity))
  t.true(isWorthTelling(first, told(1, 1_000, 60_000), capacity))
})
