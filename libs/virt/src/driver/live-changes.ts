import {
  asRead,
  DISK_FORM,
  DISK_IDENTITY,
  differences,
  flat,
  NIC_FIELDS,
} from '../domain/difference.ts'
import type { DiskLimits } from '../domain/disk-limits.ts'
import type { DiskSpec, DomainSpec, NicSpec } from '../domain/domain-spec.ts'
import { ADOPTED, type DomainMark, FIRST_FORM, markOf, specHash } from '../domain/mark.ts'
import type { DomainReading } from '../domain/read.ts'
import type { DiskReading } from '../domain/read-devices.ts'

/** One thing of a running machine that is changed while it runs. `device` is its alias in libvirt,
 *  or `cpus` or `memory`. */
export type LiveChange =
  | { readonly kind: 'plug-disk'; readonly disk: DiskSpec; readonly cpus: number }
  | { readonly kind: 'unplug-disk'; readonly device: string; readonly name: string }
  | { readonly kind: 'plug-nic'; readonly nic: NicSpec }
  | { readonly kind: 'unplug-nic'; readonly device: string; readonly name: string }
  | { readonly kind: 'limit-disk'; readonly target: string; readonly limits: DiskLimits }
  | { readonly kind: 'add-cpus'; readonly count: number }
  | { readonly kind: 'remove-cpus'; readonly count: number; readonly from: number }
  | { readonly kind: 'request-memory'; readonly requestedMiB: number }
  | { readonly kind: 'balloon'; readonly memoryMiB: number }
  | { readonly kind: 'mark'; readonly mark: DomainMark }

/** By what it is remembered that a guest was asked for a change which it has to follow; undefined
 *  for what is done without it. */
export function askKeyOf(change: LiveChange): string | undefined {
  switch (change.kind) {
    case 'unplug-disk':
    case 'unplug-nic':
      return change.device
    case 'remove-cpus':
      return `cpus ${change.from} to ${change.count}`
    case 'request-memory':
      return `memory ${change.requestedMiB}`
    case 'balloon':
      return `balloon ${change.memoryMiB}`
    default:
      return undefined
  }
}

/** What a running machine differs in from its spec. */
export interface LiveDifference {
  /** What can be changed while it runs. */
  readonly now: readonly LiveChange[]
  /** The names of what waits for its next start. */
  readonly later: readonly string[]
  /** No slot is left for some of the disks or NICs that wait. */
  readonly slotsLacking: boolean
}

/** What differs of `live` from what is wanted, and what of it can be changed while it runs. Things
 *  that only say how a machine is reached by people, and which of its threads does what, wait for
 *  the next start without a word; of a domain that was taken in while it ran, everything waits.
 *  Pure. */
export function liveDifference(spec: DomainSpec, live: DomainReading): LiveDifference {
  if (live.mark?.specHash === ADOPTED) {
    return { now: [], later: [...differences(spec, live)], slotsLacking: false }
  }
  const later = differences(spec, live).filter((name) => RESTART_ONLY.has(name))
  const now: LiveChange[] = []
  const slots = { free: live.freeSlots, lacking: false }
  const disks = diskChanges(spec, live, slots)
  const nics = nicChanges(spec, live, slots)
  const size = sizeChanges(spec, live)
  now.push(...disks.now, ...nics.now, ...size.now)
  later.push(...disks.later, ...nics.later, ...size.later)
  const isWritten = live.mark?.specHash === specHash(spec)
  if (now.length === 0 && later.length === 0 && !isWritten) {
    now.push({ kind: 'mark', mark: { ...markOf(spec), form: live.mark?.form ?? FIRST_FORM } })
  }
  return { now, later: [...new Set(later)], slotsLacking: slots.lacking }
}

const RESTART_ONLY: ReadonlySet<string> = new Set([
  ...['uuid', 'accelerator', 'kernel', 'initrd', 'commandLine', 'ioThreads'],
  ...['maximumCpus', 'maximumMemoryMiB'],
])

interface Part {
  readonly now: LiveChange[]
  readonly later: string[]
}

interface Slots {
  free: number
  lacking: boolean
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'

function diskChanges(spec: DomainSpec, live: DomainReading, slots: Slots): Part {
  const part: Part = { now: [], later: [] }
  const wanted = (spec.disks ?? []).map((disk) => ({ disk, read: asRead(disk) }))
  const isSame = (one: DiskReading, other: DiskReading): boolean =>
    flat([one], DISK_IDENTITY) === flat([other], DISK_IDENTITY)
  const leaving = live.disks.filter((one) => !wanted.some(({ read }) => isSame(read, one)))
  for (const { target, alias, name } of leaving) {
    part.now.push({ kind: 'unplug-disk', device: alias, name: name === '' ? target : name })
  }
  const targets = new Set(live.disks.map(({ target }) => target))
  for (const { disk, read } of wanted) {
    const found = live.disks.find((one) => isSame(read, one))
    if (found === undefined) {
      // Two ways to one volume at a time would be two writers.
      const byMemory = 'volume' in disk && disk.attach === 'vhost-user'
      const waits = leaving.some((one) => byMemory || one.attach === 'vhost-user')
      if (waits) continue
      if ((byMemory && !live.sharedMemory) || !takeSlot(slots)) part.later.push('disks')
      else {
        const target = freeTarget(disk.target, targets)
        targets.add(target)
        const plugged = withThread({ ...disk, target }, live)
        part.now.push({ kind: 'plug-disk', disk: plugged, cpus: spec.cpus })
      }
    } else if (flat([read], DISK_FORM) !== flat([found], DISK_FORM)) part.later.push('disks')
    else if (read.limits !== found.limits) {
      part.now.push({ kind: 'limit-disk', target: found.target, limits: disk.limits ?? {} })
    }
  }
  return part
}

/** The name that libvirt knows a disk by; the guest does not see it. */
function freeTarget(wanted: string, taken: ReadonlySet<string>): string {
  const all = [wanted, ...[...LETTERS].map((letter) => `vd${letter}`)]
  return all.find((target) => !taken.has(target)) ?? wanted
}

/** A running machine has the threads it started with. */
function withThread(disk: DiskSpec, { ioThreads = 0 }: DomainReading): DiskSpec {
  if (disk.ioThread === undefined || disk.ioThread <= ioThreads) return disk
  const { ioThread: _none, ...rest } = disk
  return rest
}

function nicChanges(spec: DomainSpec, live: DomainReading, slots: Slots): Part {
  const part: Part = { now: [], later: [] }
  for (const { alias, tapDevice, port } of live.nics) {
    if (spec.nics.some((nic) => nic.tapDevice === tapDevice)) continue
    const name = port === '' ? tapDevice : port
    part.now.push({ kind: 'unplug-nic', device: alias, name })
  }
  for (const nic of spec.nics) {
    const found = live.nics.find(({ tapDevice }) => tapDevice === nic.tapDevice)
    const wanted = { ...nic, mac: nic.mac.toLowerCase() }
    if (found === undefined) {
      if (takeSlot(slots)) part.now.push({ kind: 'plug-nic', nic })
      else part.later.push('nics')
    } else if (flat([wanted], NIC_FIELDS) !== flat<NicSpec>([found], NIC_FIELDS)) {
      part.later.push('nics')
    }
  }
  return part
}

function takeSlot(slots: Slots): boolean {
  slots.free -= 1
  if (slots.free < 0) slots.lacking = true
  return slots.free >= 0
}

function sizeChanges(spec: DomainSpec, live: DomainReading): Part {
  const part: Part = { now: [], later: [] }
  const { cpus, memoryMiB } = spec
  if (cpus !== live.cpus) {
    // Without KVM, QEMU 7.2 was seen to end as a processor came.
    const canChange = spec.accelerator === 'kvm' && spec.maximumCpus === live.maximumCpus
    if (!canChange) part.later.push('cpus')
    else if (cpus > live.cpus) part.now.push({ kind: 'add-cpus', count: cpus })
    else part.now.push({ kind: 'remove-cpus', count: cpus, from: live.cpus })
  }
  const isFixed = spec.maximumMemoryMiB === undefined
  if (isFixed || spec.maximumMemoryMiB !== live.maximumMemoryMiB) {
    if (memoryMiB !== live.memoryMiB) part.later.push('memoryMiB')
    return part
  }
  const { sizeMiB, requestedMiB, currentMiB } = live.memoryDevice ?? NO_MEMORY_DEVICE
  const growthMiB = Math.min(Math.max(0, memoryMiB - live.memoryMiB), sizeMiB)
  if (growthMiB !== requestedMiB) {
    part.now.push({ kind: 'request-memory', requestedMiB: growthMiB })
  }
  // What is below the memory it started with is the balloon's to take.
  const bootMiB = live.currentMemoryMiB - currentMiB
  const wantedMiB = Math.min(memoryMiB, live.memoryMiB)
  if (bootMiB !== wantedMiB) part.now.push({ kind: 'balloon', memoryMiB: wantedMiB })
  return part
}

/** A machine without a device has nothing of it. */
const NO_MEMORY_DEVICE = { sizeMiB: 0, requestedMiB: 0, currentMiB: 0 }
