import type { HostUse } from '@purlin/schema'
import { type CpuMode, cpuModes, type HostCounters } from './counters.ts'

const MIB = 1_048_576
/** Times in which a processor does nothing for the host. */
const IDLE: ReadonlySet<CpuMode> = new Set(['idle', 'iowait'])

/** What a host uses, from its counters and those of a moment before; without these, rates are 0.
 *  A counter that went back belongs to a device that was made anew, and counts from nothing.
 *  Pure. */
export function hostUseOf(
  now: HostCounters,
  before: { readonly counters: HostCounters; readonly secondsAgo: number } | undefined,
  measuredAtMs: number,
): HostUse {
  const total = now.memory.get('MemTotal') ?? 0
  const available = now.memory.get('MemAvailable') ?? now.memory.get('MemFree') ?? 0
  const rate = (figure: (counters: HostCounters) => number): number => {
    if (before === undefined || before.secondsAgo <= 0) return 0
    const grown = Math.max(0, figure(now) - figure(before.counters))
    return Math.round(grown / before.secondsAgo)
  }
  const { cpu, memory, io } = now.pressure
  return {
    measuredAtMs: Math.round(measuredAtMs),
    cpus: before === undefined ? 0 : busyProcessors(now, before.counters),
    memoryMiB: Math.max(0, Math.round((total - available) / MIB)),
    load: now.load[0] ?? 0,
    diskReadBytesPerSecond: rate(({ disks }) => sum(disks.map((disk) => disk.readBytes))),
    diskWriteBytesPerSecond: rate(({ disks }) => sum(disks.map((disk) => disk.writtenBytes))),
    netReceivedBitsPerSecond: rate(({ links }) => 8 * sum(links.map((link) => link.receivedBytes))),
    netSentBitsPerSecond: rate(({ links }) => 8 * sum(links.map((link) => link.sentBytes))),
    ...(cpu && { cpuPressure: cpu.averageTenSeconds }),
    ...(memory && { memoryPressure: memory.averageTenSeconds }),
    ...(io && { ioPressure: io.averageTenSeconds }),
    numa: [...now.numa],
  }
}

/** How many processors were busy: the part of the counted time that was not idle, of each. The
 *  kernel's own count is its clock, so a late second reading changes nothing. */
function busyProcessors(now: HostCounters, before: HostCounters): number {
  let busy = 0
  for (const [cpu, times] of now.cpus) {
    const former = before.cpus.get(cpu)
    if (former === undefined) continue
    const spent = (mode: CpuMode): number => Math.max(0, times[mode] - former[mode])
    const all = sum(cpuModes.map(spent))
    if (all <= 0) continue
    busy += sum(cpuModes.filter((mode) => !IDLE.has(mode)).map(spent)) / all
  }
  return Math.round(busy * 1_000) / 1_000
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}
