import { type Fact, fact } from '@purlin/base'
import { readDomain } from '../domain/read.ts'
import { readPowerState } from '../machine/power-state.ts'
import type { DomainRecord } from '../port/libvirt-port.ts'
import type { DiskSizes } from './disk-sizes.ts'
import type { ObservedMachine, VirtObserved } from './types.ts'

/** libvirt's VIR_DOMAIN_PAUSED and VIR_DOMAIN_PAUSED_IOERROR. */
const PAUSED = 3
const PAUSED_BY_IO_ERROR = 5

const NO_SIZES: ReadonlyMap<string, number> = new Map()

/** Puts in what the guests see of their disks. Pure. */
export function withDiskSizes(observed: VirtObserved, sizes: DiskSizes): VirtObserved {
  const machines = observed.machines.map((machine) => {
    const diskBytes = sizes.get(machine.name)
    return diskBytes === undefined ? machine : { ...machine, diskBytes }
  })
  return { ...observed, machines }
}

/** Sorts libvirt's domains into Purlin's and foreign ones. Pure. */
export function readObserved(records: readonly DomainRecord[]): VirtObserved {
  const machines: ObservedMachine[] = []
  const foreign: { name: string; uuid: string }[] = []
  for (const record of records) {
    const machine = readMachine(record)
    if (machine === undefined) foreign.push({ name: record.name, uuid: record.uuid })
    else machines.push(machine)
  }
  return { machines: machines.toSorted(byName), foreign: foreign.toSorted(byName) }
}

/** The machine of a domain; undefined where Purlin's mark is on neither of its two forms. */
export function readMachine(record: DomainRecord): ObservedMachine | undefined {
  const active = record.id !== undefined
  const current = readDomain(record.xml)
  const next = record.inactiveXml === undefined ? current : readDomain(record.inactiveXml)
  if (current === undefined || next === undefined) return undefined
  const mark = next.mark ?? (active ? current.mark : undefined)
  if (mark === undefined) return undefined
  return {
    name: record.name,
    uuid: record.uuid,
    state: readPowerState(record.state),
    active,
    ioError: record.state === PAUSED && record.reason === PAUSED_BY_IO_ERROR,
    persistent: record.persistent,
    specHash: next.mark?.specHash ?? '',
    defined: next,
    ...(active && { live: current }),
    diskBytes: NO_SIZES,
    tapsInUse: active ? current.nics.map((nic) => nic.tapDevice) : [],
  }
}

/** What the virt lane tells the others: machines that are active and the NICs they hold. */
export function readFacts(observed: VirtObserved): ReadonlySet<Fact> {
  const facts = new Set<Fact>()
  for (const machine of observed.machines) {
    if (!machine.active) continue
    facts.add(fact('vm', machine.name, 'running'))
    for (const nic of machine.live?.nics ?? []) {
      if (nic.port !== '') facts.add(fact('nic', nic.port, 'in-use'))
    }
  }
  return facts
}

function byName(one: { readonly name: string }, other: { readonly name: string }): number {
  return one.name < other.name ? -1 : 1
}
