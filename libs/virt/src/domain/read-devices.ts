import { limitsText } from './disk-limits.ts'
import type { NicSpec, VolumeAttachment } from './domain-spec.ts'
import type { DomainMark } from './mark.ts'
import { child, list, memoryMiB, number, text } from './xml-node.ts'

/** A disk of a domain. `file` is empty where it is on a volume; the rest where it is not. By
 *  vhost-user, the volume is known by its socket alone. */
export interface DiskReading {
  readonly target: string
  readonly file: string
  readonly attach: VolumeAttachment | ''
  readonly name: string
  readonly volume: string
  readonly socket: string
  /** Of a file: qcow2 or raw, else empty. */
  readonly format: string
  readonly readonly: boolean
  /** Limits in one form, to be compared. */
  readonly limits: string
  readonly queues: number | undefined
  readonly ioThread: number | undefined
  /** libvirt's name of the device; of an active domain alone. */
  readonly alias: string
}

/** A NIC of a domain. `port` is empty where the mark does not know the tap. */
export interface NicReading extends NicSpec {
  /** libvirt's name of the device; of an active domain alone. */
  readonly alias: string
}

/** Memory that comes and goes while the machine runs. */
export interface MemoryDeviceReading {
  readonly sizeMiB: number
  /** What the guest is asked to have of it, and what it has; the latter only while it is active. */
  readonly requestedMiB: number
  readonly currentMiB: number
  /** libvirt's name of the device; of an active domain alone. */
  readonly alias: string
  /** Where it is on its bus, as libvirt writes it. */
  readonly address: Readonly<Record<string, string>>
}

/** Reads a disk. */
export function readDisk(disk: unknown): DiskReading {
  const source = child(disk, 'source')
  const driver = child(disk, 'driver')
  const kind = text(child(disk, '@type'))
  const isVolume = text(child(source, '@protocol')) === 'nbd'
  const isFile = kind === 'file'
  const base = {
    target: text(child(child(disk, 'target'), '@dev')),
    file: text(child(source, '@file')),
    format: isFile ? text(child(driver, '@type')) : '',
    readonly: child(disk, 'readonly') !== undefined,
    limits: readLimits(child(disk, 'iotune')),
    queues: number(child(driver, '@queues')),
    ioThread: number(child(driver, '@iothread')),
    alias: text(child(child(disk, 'alias'), '@name')),
  }
  if (kind === 'vhostuser') {
    const socket = text(child(source, '@path'))
    // As many as the machine has processors where nothing else was wanted; the mark knows.
    const one = { ...base, queues: undefined, file: '', name: '', volume: '', socket }
    return { ...one, attach: 'vhost-user' }
  }
  return {
    ...base,
    attach: isVolume ? 'nbd' : '',
    name: isVolume ? text(child(disk, 'serial')) : '',
    volume: isVolume ? text(child(source, '@name')) : '',
    socket: text(child(child(source, 'host'), '@socket')),
  }
}

function readLimits(iotune: unknown): string {
  const words = Object.entries(Object(iotune) as Record<string, unknown>)
  return limitsText(Object.fromEntries(words.map(([word, value]) => [word, Number(text(value))])))
}

/** Reads a NIC. */
export function readNic(nic: unknown, mark: DomainMark | undefined): NicReading {
  const tapDevice = text(child(child(nic, 'target'), '@dev'))
  const bridgeDevice = text(child(child(nic, 'source'), '@bridge'))
  const queues = number(child(child(nic, 'driver'), '@queues'))
  return {
    port: mark?.ports.find((port) => port.tapDevice === tapDevice)?.port ?? '',
    mac: text(child(child(nic, 'mac'), '@address')),
    ...(bridgeDevice !== '' && { bridgeDevice }),
    tapDevice,
    mtu: Number(text(child(child(nic, 'mtu'), '@size')) || 1500),
    ...(queues !== undefined && { queues }),
    alias: text(child(child(nic, 'alias'), '@name')),
  }
}

/** Reads the memory device of a domain; undefined where it has none. */
export function readMemoryDevice(devices: unknown): MemoryDeviceReading | undefined {
  const device = list(devices, 'memory').find((one) => text(child(one, '@model')) === 'virtio-mem')
  if (device === undefined) return undefined
  const target = child(device, 'target')
  return {
    sizeMiB: memoryMiB(child(target, 'size')),
    requestedMiB: memoryMiB(child(target, 'requested')),
    currentMiB: memoryMiB(child(target, 'current')),
    alias: text(child(child(device, 'alias'), '@name')),
    address: Object.fromEntries(
      Object.entries(Object(child(device, 'address')) as Record<string, unknown>).map(
        ([key, value]) => [key, text(value)],
      ),
    ),
  }
}

/** How many devices of PCI Express may still come: ports whose bus nothing is on. */
export function readFreeSlots(devices: unknown): number {
  const ports = list(devices, 'controller')
    .filter((one) => text(child(one, '@model')) === 'pcie-root-port')
    .map((one) => number(child(one, '@index')))
  const used = new Set<number>()
  collectBuses(devices, used)
  return ports.filter((index) => index !== undefined && !used.has(index)).length
}

function collectBuses(node: unknown, used: Set<number>): void {
  if (node === null || typeof node !== 'object') return
  if (text(child(node, '@type')) === 'pci') {
    const bus = number(child(node, '@bus'))
    if (bus !== undefined) used.add(bus)
  }
  for (const part of Object.values(node)) collectBuses(part, used)
}
