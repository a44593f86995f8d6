import { readDomain } from '../domain/read.ts'
import type { DiskReading } from '../domain/read-devices.ts'
import { child, list, number, parseXml, text } from '../domain/xml-node.ts'
import { type PowerState, powerStateOf } from '../machine/power-state.ts'
import type { DomainRecord } from '../port/libvirt-port.ts'

/** A NIC of a domain that somebody else made. */
export interface ForeignNic {
  readonly mac: string
  readonly tapDevice: string
  /** The bridge of Open vSwitch that it is plugged into, and its VLAN there, 0: untagged. */
  readonly plugged?: { readonly bridge: string; readonly vlan: number }
}

/** A domain that somebody else made, as far as it can be taken in. */
export interface ForeignMachine {
  readonly name: string
  readonly uuid: string
  readonly state: PowerState
  readonly cpus: number
  readonly memoryMiB: number
  readonly kernel: string
  readonly initrd: string
  readonly commandLine: string
  readonly nics: readonly ForeignNic[]
  /** Those that may be volumes: who knows the volumes decides by name and socket. */
  readonly disks: readonly DiskReading[]
  /** Why it cannot be taken in, a sentence each; empty: it can. */
  readonly obstacles: readonly string[]
  /** What it has and will not have from its next start on, a sentence each. */
  readonly leaves: readonly string[]
}

const STATES: ReadonlySet<PowerState> = new Set(['running', 'paused', 'stopped'])

/** Devices that a guest rests on and that Purlin does not write. */
const NOT_TAKEN = [
  ...['hostdev', 'filesystem', 'tpm', 'redirdev', 'smartcard', 'shmem', 'vsock', 'nvram'],
  ...['memory', 'iommu', 'hub', 'lease', 'crypto', 'parallel'],
]
/** Devices that a guest does without. */
const LEFT = ['sound', 'rng', 'graphics', 'video']

/** Reads a domain of libvirt that is not Purlin's, and says of each thing whether it can be taken
 *  in as it is. Undefined where the text is no domain. Pure. */
export function readForeign(record: DomainRecord): ForeignMachine | undefined {
  const xml = record.inactiveXml ?? record.xml
  const reading = readDomain(record.xml)
  const domain = child(parseXml(xml), 'domain')
  if (reading === undefined || domain === undefined) return undefined
  const { name, uuid, cpus, memoryMiB, kernel, initrd, commandLine, disks } = reading
  const state = powerStateOf(record)
  const devices = child(child(parseXml(record.xml), 'domain'), 'devices')
  return {
    ...{ name, uuid, state, cpus, memoryMiB, kernel, initrd, commandLine, disks },
    nics: list(devices, 'interface').map(readForeignNic),
    obstacles: [
      ...lifeObstacles(record, state),
      ...formObstacles(domain, kernel, memoryMiB),
      ...deviceObstacles(devices),
    ],
    leaves: LEFT.filter((kind) => list(devices, kind).length > 0).map(
      (kind) => `its ${kind} is written as Purlin writes it, or left out`,
    ),
  }
}

function lifeObstacles(record: DomainRecord, state: PowerState): string[] {
  const { name, autostart, persistent, managedSave } = record
  const found: string[] = []
  if (!STATES.has(state)) found.push(`it is ${state}: have it running, paused or stopped`)
  if (managedSave) found.push(`its memory is saved on the disk: start it, or throw that away`)
  if (!persistent) found.push('libvirt forgets it when it ends: define it first (virsh define)')
  if (autostart) {
    found.push(
      `libvirt starts it with the host, before any rules stand: virsh autostart --disable ${name}`,
    )
  }
  return found
}

function formObstacles(domain: unknown, kernel: string, memoryMiB: number): string[] {
  const found: string[] = []
  const type = child(child(domain, 'os'), 'type')
  const [arch, machine] = [text(child(type, '@arch')), text(child(type, '@machine'))]
  if (text(type) !== 'hvm') found.push(`its guest is no hvm but ${text(type)}`)
  if (arch !== 'x86_64') found.push(`its processor is ${arch}; Purlin’s machines are x86_64`)
  if (!/q35/.test(machine)) {
    found.push(`its machine type is ${machine}; Purlin’s machines are q35, which has other devices`)
  }
  if (kernel === '') {
    found.push(
      'it boots by its firmware from a disk; Purlin’s machines boot the kernel of an image',
    )
  }
  if (child(child(domain, 'os'), 'loader') !== undefined) {
    found.push('it has UEFI with variables of its own, which Purlin does not keep')
  }
  if (!Number.isInteger(memoryMiB)) found.push('its memory is no whole number of MiB')
  if (child(domain, 'maxMemory') !== undefined) found.push('it has slots for more memory')
  if (child(child(domain, 'vcpu'), '@current') !== undefined) {
    found.push('it has more processors than are switched on')
  }
  return found
}

function deviceObstacles(devices: unknown): string[] {
  const kinds = NOT_TAKEN.filter((kind) => list(devices, kind).length > 0).map(
    (kind) => `it has a device of type ${kind}, which Purlin does not write`,
  )
  const disks = list(devices, 'disk').flatMap(diskObstacles)
  const nics = list(devices, 'interface').flatMap((nic) => {
    const model = text(child(child(nic, 'model'), '@type'))
    const mac = text(child(child(nic, 'mac'), '@address'))
    return model === 'virtio'
      ? []
      : [`NIC ${mac} is ${model || 'of no model'}; only virtio is written`]
  })
  return [...kinds, ...disks, ...nics]
}

function diskObstacles(disk: unknown): string[] {
  const target = text(child(child(disk, 'target'), '@dev'))
  const device = text(child(disk, '@device')) || 'disk'
  const bus = text(child(child(disk, 'target'), '@bus'))
  const kind = text(child(disk, '@type'))
  const source = child(disk, 'source')
  if (device !== 'disk')
    return [`${device} ${target}: Purlin writes no ${device}; eject and detach it`]
  if (bus !== 'virtio') return [`disk ${target} is on the bus ${bus}; only virtio is written`]
  const isVolume =
    kind === 'vhostuser' ||
    (text(child(source, '@protocol')) === 'nbd' &&
      text(child(child(source, 'host'), '@socket')) !== '')
  if (isVolume) return []
  const place = text(child(source, '@file')) || text(child(source, '@dev')) || kind
  return [
    `disk ${target} is ${place}: only disks on volumes are taken in; copy it to a volume first (purlin volume)`,
  ]
}

function readForeignNic(nic: unknown): ForeignNic {
  const isOvs = text(child(child(nic, 'virtualport'), '@type')) === 'openvswitch'
  const bridge = text(child(child(nic, 'source'), '@bridge'))
  const vlan = number(child(child(child(nic, 'vlan'), 'tag'), '@id')) ?? 0
  return {
    mac: text(child(child(nic, 'mac'), '@address')).toLowerCase(),
    tapDevice: text(child(child(nic, 'target'), '@dev')),
    ...(isOvs && bridge !== '' && { plugged: { bridge, vlan } }),
  }
}
