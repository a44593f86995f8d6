import type { DomainStatistics } from '../port/libvirt-port.ts'

/** What libvirt counts of a disk since the domain's start. */
export interface MachineDiskCounters {
  /** As `vda`. */
  readonly target: string
  readonly reads: number
  readonly writes: number
  readonly readBytes: number
  readonly writtenBytes: number
}

/** What libvirt counts of a NIC since the domain's start, in the machine's own directions. */
export interface MachineNicCounters {
  /** The tap. */
  readonly device: string
  readonly receivedBytes: number
  readonly receivedPackets: number
  readonly receiveErrors: number
  readonly receiveDrops: number
  readonly sentBytes: number
  readonly sentPackets: number
  readonly sendErrors: number
  readonly sendDrops: number
}

/** What libvirt counts of an active domain. What a driver does not know is 0. */
export interface MachineCounters {
  readonly name: string
  /** virDomainState. */
  readonly state: number
  readonly cpus: number
  /** Time of all its threads on processors. */
  readonly cpuSeconds: number
  readonly memoryBytes: number
  readonly memoryMostBytes: number
  /** What its process holds of the host's memory. */
  readonly residentBytes: number
  readonly disks: readonly MachineDiskCounters[]
  readonly nics: readonly MachineNicCounters[]
}

const NANOSECONDS = 1_000_000_000
const KIB = 1_024

/** Reads libvirt's fields (virConnectGetAllDomainStats). A field that is absent counts as 0. Pure,
 *  in the number of fields. */
export function readMachineCounters({ domain, values }: DomainStatistics): MachineCounters {
  const at = (field: string): number => {
    const value = values[field]
    return typeof value === 'number' ? value : 0
  }
  const each = <Part>(group: string, read: (prefix: string) => Part): readonly Part[] =>
    Array.from({ length: at(`${group}.count`) }, (_none, index) => read(`${group}.${index}`))
  const cpus = at('vcpu.current')
  // Without cgroups there is no time of the whole; that of its processors is nearly that.
  const ofThreads = Array.from({ length: at('vcpu.maximum') }, (_none, cpu) =>
    at(`vcpu.${cpu}.time`),
  )
  const cpuTime = at('cpu.time') || ofThreads.reduce((sum, time) => sum + time, 0)
  return {
    name: domain,
    state: at('state.state'),
    cpus,
    cpuSeconds: cpuTime / NANOSECONDS,
    memoryBytes: at('balloon.current') * KIB,
    memoryMostBytes: at('balloon.maximum') * KIB,
    residentBytes: at('balloon.rss') * KIB,
    disks: each('block', (disk) => ({
      target: String(values[`${disk}.name`] ?? ''),
      reads: at(`${disk}.rd.reqs`),
      writes: at(`${disk}.wr.reqs`),
      readBytes: at(`${disk}.rd.bytes`),
      writtenBytes: at(`${disk}.wr.bytes`),
    })),
    nics: each('net', (nic) => ({
      device: String(values[`${nic}.name`] ?? ''),
      receivedBytes: at(`${nic}.rx.bytes`),
      receivedPackets: at(`${nic}.rx.pkts`),
      receiveErrors: at(`${nic}.rx.errs`),
      receiveDrops: at(`${nic}.rx.drop`),
      sentBytes: at(`${nic}.tx.bytes`),
      sentPackets: at(`${nic}.tx.pkts`),
      sendErrors: at(`${nic}.tx.errs`),
      sendDrops: at(`${nic}.tx.drop`),
    })),
  }
}
