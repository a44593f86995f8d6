import { type Fact, fact } from '@purlin/base'
import { readDomain } from '../domain/read.ts'
import type { DeviceAsks } from '../machine/device-asks.ts'
import type { PowerOffs } from '../machine/power-offs.ts'
import { powerStateOf } from '../machine/power-state.ts'
import type { MachineRuns } from '../machine/runs.ts'
import type { DomainRecord } from '../port/libvirt-port.ts'
import type { MachineHolds } from '../snapshot/holds.ts'
import type { DiskSizes } from './disk-sizes.ts'
import type { ForeignDomain, ObservedMachine, VirtObserved } from './types.ts'

/** libvirt's VIR_DOMAIN_PAUSED and VIR_DOMAIN_PAUSED_IOERROR. */
const PAUSED = 3
const PAUSED_BY_IO_ERROR = 5

const NO_ASKS: ObservedMachine['asks'] = new Map()
const NO_SIZES: ReadonlyMap<string, number> = new Map()

/** Puts in what the guests see of their disks. Pure. */
export function withDiskSizes(observed: VirtObserved, sizes: DiskSizes): VirtObserved {
  const machines = observed.machines.map((machine) => {
    const diskBytes = sizes.get(machine.name)
    return diskBytes === undefined ? machine : { ...machine, diskBytes }
  })
  return { ...observed, machines }
}

/** Puts in how the machines' last runs ended. */
export async function withRuns(observed: VirtObserved, runs: MachineRuns): Promise<VirtObserved> {
  const ended = await runs.see(observed.machines)
  const machines = observed.machines.map((machine) => {
    const endedRun = ended.get(machine.uuid)
    return endedRun === undefined ? machine : { ...machine, endedRun }
  })
  return { ...observed, machines }
}

/** Puts in which machines something else has stand still. */
export function withHolds(observed: VirtObserved, holds: MachineHolds): VirtObserved {
  const machines = observed.machines.map((machine) =>
    holds.has(machine.name) ? { ...machine, held: true as const } : machine,
  )
  return { ...observed, machines }
}

/** Puts in which guests were asked to power off. */
export function withPowerOffs(observed: VirtObserved, powerOffs: PowerOffs): VirtObserved {
  const active = observed.machines.filter((machine) => machine.active)
  powerOffs.keepOnly(new Set(active.map(({ name }) => name)))
  const machines = observed.machines.map((machine) => {
    const powerOff = powerOffs.of(machine.name)
    return powerOff === undefined ? machine : { ...machine, powerOff }
  })
  return { ...observed, machines }
}

/** Puts in what guests were asked to let go of and did not yet. */
export function withAsks(observed: VirtObserved, asks: DeviceAsks): VirtObserved {
  const active = observed.machines.filter((machine) => machine.active)
  asks.keepMachines(new Set(active.map(({ name }) => name)))
  const machines = observed.machines.map((machine) => {
    const of = asks.of(machine.name)
    return of.size === 0 ? machine : { ...machine, asks: of }
  })
  return { ...observed, machines }
}

/** Sorts libvirt's domains into Purlin's and foreign ones. Pure, as `read` is. */
export function readObserved(
  records: readonly DomainRecord[],
  read: typeof readDomain = readDomain,
): VirtObserved {
  const machines: ObservedMachine[] = []
  const foreign: ForeignDomain[] = []
  for (const record of records) {
    const machine = readMachine(record, read)
    if (machine === undefined) foreign.push(foreignOf(record, read))
    else machines.push(machine)
  }
  return { machines: machines.toSorted(byName), foreign: foreign.toSorted(byName) }
}

function foreignOf(record: DomainRecord, read: typeof readDomain): ForeignDomain {
  const { name, uuid, xml } = record
  const reading = read(xml)
  const [cpus, memoryMiB] = [reading?.cpus ?? 0, reading?.memoryMiB ?? 0]
  const known = (count: number): number => (Number.isFinite(count) ? count : 0)
  return { name, uuid, state: powerStateOf(record), cpus: known(cpus), memoryMiB: known(memoryMiB) }
}

/** The machine of a domain; undefined where Purlin's mark is on neither of its two forms. */
export function readMachine(
  record: DomainRecord,
  read: typeof readDomain = readDomain,
): ObservedMachine | undefined {
  const active = record.id !== undefined
  const current = read(record.xml)
  const next = record.inactiveXml === undefined ? current : read(record.inactiveXml)
  if (current === undefined || next === undefined) return undefined
  const mark = next.mark ?? (active ? current.mark : undefined)
  if (mark === undefined) return undefined
  return {
    name: record.name,
    uuid: record.uuid,
    state: powerStateOf(record),
    reason: record.reason,
    active,
    ioError: record.state === PAUSED && record.reason === PAUSED_BY_IO_ERROR,
    persistent: record.persistent,
    specHash: next.mark?.specHash ?? '',
    defined: next,
    ...(active && { live: current }),
    diskBytes: NO_SIZES,
    asks: NO_ASKS,
    tapsInUse: active ? current.nics.map((nic) => nic.tapDevice) : [],
  }
}

/** The fact that a running machine has what is served on a socket. */
export function holdsFact(machine: string, socket: string): Fact {
  return fact('vm', machine, `holds-${socket}`)
}

/** What the virt lane tells: machines that are active, the NICs they hold, and, for its own later
 *  steps, guests that did not power off in the time they had and machines whose pause before a
 *  restart is over. */
export function readFacts(observed: VirtObserved): ReadonlySet<Fact> {
  const facts = new Set<Fact>()
  for (const machine of observed.machines) {
    if ((machine.endedRun?.dueInMs ?? 1) <= 0) facts.add(fact('vm', machine.name, 'due'))
    if (!machine.active) continue
    facts.add(fact('vm', machine.name, 'running'))
    const { powerOff } = machine
    if (powerOff && powerOff.agoMs >= powerOff.graceMs) {
      facts.add(fact('vm', machine.name, 'deaf'))
    }
    for (const { socket } of machine.live?.disks ?? []) {
      if (socket !== '') facts.add(holdsFact(machine.name, socket))
    }
    for (const nic of machine.live?.nics ?? []) {
      if (nic.port !== '') facts.add(fact('nic', nic.port, 'in-use'))
    }
  }
  return facts
}

function byName(one: { readonly name: string }, other: { readonly name: string }): number {
  return one.name < other.name ? -1 : 1
}
