import type { MachineUse } from '@purlin/schema'
import type { MachineCounters } from '@purlin/virt'
import type { Measured } from './measure.ts'

const MIB = 1_048_576

/** What an active domain used between two measures. */
export type DomainUse = Omit<MachineUse, 'host' | 'foreign' | 'active'>

/** What each active domain used between two measures; one that was not in the first, or was
 *  started anew since, has rates of 0. Pure. */
export function domainUses(before: Measured | undefined, now: Measured): readonly DomainUse[] {
  const former = new Map(before?.machines.map((machine) => [machine.name, machine]))
  const seconds = before === undefined ? 0 : (now.monotonicMs - before.monotonicMs) / 1_000
  return now.machines.map((machine) => useOf(former.get(machine.name), machine, seconds))
}

function useOf(
  before: MachineCounters | undefined,
  now: MachineCounters,
  seconds: number,
): DomainUse {
  const rate = (figure: (counters: MachineCounters) => number): number =>
    before === undefined || seconds <= 0 ? 0 : Math.max(0, figure(now) - figure(before)) / seconds
  const ofDisks = (field: 'reads' | 'writes' | 'readBytes' | 'writtenBytes'): number =>
    rate(({ disks }) => disks.reduce((sum, disk) => sum + disk[field], 0))
  const ofNics = (field: 'receivedBytes' | 'sentBytes'): number =>
    rate(({ nics }) => nics.reduce((sum, nic) => sum + nic[field], 0)) * 8
  return {
    name: now.name,
    cpus: now.cpus,
    cpusUsed: rounded(
      rate(({ cpuSeconds }) => cpuSeconds),
      1_000,
    ),
    memoryMiB: Math.round(now.memoryBytes / MIB),
    memoryUsedMiB: Math.round(now.residentBytes / MIB),
    diskReadBytesPerSecond: Math.round(ofDisks('readBytes')),
    diskWriteBytesPerSecond: Math.round(ofDisks('writtenBytes')),
    diskReadsPerSecond: rounded(ofDisks('reads'), 10),
    diskWritesPerSecond: rounded(ofDisks('writes'), 10),
    netReceivedBitsPerSecond: Math.round(ofNics('receivedBytes')),
    netSentBitsPerSecond: Math.round(ofNics('sentBytes')),
  }
}

function rounded(figure: number, parts: number): number {
  return Math.round(figure * parts) / parts
}
