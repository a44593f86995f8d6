import { XMLParser } from 'fast-xml-parser'
import type { Accelerator, NicSpec, VolumeAttachment } from './domain-spec.ts'
import { type DomainMark, MARK_NAMESPACE } from './mark.ts'

/** A disk of a domain. `file` is empty where it is on a volume; the rest where it is not. By
 *  vhost-user, the volume is known by its socket alone. */
export interface DiskReading {
  readonly target: string
  readonly file: string
  readonly attach: VolumeAttachment | ''
  readonly name: string
  readonly volume: string
  readonly socket: string
}

/** What a domain's XML says, as far as Purlin compares it. */
export interface DomainReading {
  readonly name: string
  readonly uuid: string
  readonly mark?: DomainMark
  readonly cpus: number
  readonly memoryMiB: number
  readonly accelerator: Accelerator
  readonly kernel: string
  readonly initrd: string
  readonly commandLine: string
  readonly disks: readonly DiskReading[]
  /** `port` is empty where the mark does not know the tap. */
  readonly nics: readonly NicSpec[]
  readonly serialLogFile: string
  /** Whether the guest agent's end of the channel is open; only in XML of an active domain. */
  readonly agentConnected: boolean
}

const LISTS = new Set(['disk', 'interface', 'serial', 'channel'])

const parser = new XMLParser({
  attributeNamePrefix: '@',
  textNodeName: '#',
  ignoreAttributes: false,
  parseTagValue: false,
  parseAttributeValue: false,
  htmlEntities: true,
  trimValues: false,
  isArray: (name, path) => LISTS.has(name) && String(path) === `domain.devices.${name}`,
})

/** Reads domain XML of libvirt. Undefined where the text is no domain: such a one is not
 *  Purlin's. */
export function readDomain(xml: string): DomainReading | undefined {
  let parsed: unknown
  try {
    parsed = parser.parse(xml)
  } catch {
    return undefined
  }
  const domain = child(parsed, 'domain')
  const name = text(child(domain, 'name'))
  if (name === '') return undefined
  const mark = readMark(child(domain, 'metadata'), name)
  const devices = child(domain, 'devices')
  const os = child(domain, 'os')
  const serial = list(devices, 'serial')[0]
  return {
    name,
    uuid: text(child(domain, 'uuid')),
    ...(mark !== undefined && { mark }),
    cpus: Number(text(child(domain, 'vcpu'))),
    memoryMiB: memoryMiB(child(domain, 'memory')),
    accelerator: text(child(domain, '@type')) === 'kvm' ? 'kvm' : 'tcg',
    kernel: text(child(os, 'kernel')),
    initrd: text(child(os, 'initrd')),
    commandLine: text(child(os, 'cmdline')),
    disks: list(devices, 'disk').map(readDisk),
    nics: list(devices, 'interface').map((nic) => readNic(nic, mark)),
    serialLogFile: text(child(child(serial, 'source'), '@path')),
    agentConnected: list(devices, 'channel').some((channel) => {
      const target = child(channel, 'target')
      const isAgent = text(child(target, '@name')) === 'org.qemu.guest_agent.0'
      return isAgent && text(child(target, '@state')) === 'connected'
    }),
  }
}

function readDisk(disk: unknown): DiskReading {
  const source = child(disk, 'source')
  const target = text(child(child(disk, 'target'), '@dev'))
  if (text(child(disk, '@type')) === 'vhostuser') {
    const socket = text(child(source, '@path'))
    return { target, file: '', attach: 'vhost-user', name: '', volume: '', socket }
  }
  const isVolume = text(child(source, '@protocol')) === 'nbd'
  return {
    target,
    file: text(child(source, '@file')),
    attach: isVolume ? 'nbd' : '',
    name: isVolume ? text(child(disk, 'serial')) : '',
    volume: isVolume ? text(child(source, '@name')) : '',
    socket: text(child(child(source, 'host'), '@socket')),
  }
}

function readNic(nic: unknown, mark: DomainMark | undefined): NicSpec {
  const tapDevice = text(child(child(nic, 'target'), '@dev'))
  const bridgeDevice = text(child(child(nic, 'source'), '@bridge'))
  return {
    port: mark?.ports.find((port) => port.tapDevice === tapDevice)?.port ?? '',
    mac: text(child(child(nic, 'mac'), '@address')),
    ...(bridgeDevice !== '' && { bridgeDevice }),
    tapDevice,
    mtu: Number(text(child(child(nic, 'mtu'), '@size')) || 1500),
  }
}

/** The mark counts only on the domain it was made for: a clone carries it along. */
function readMark(metadata: unknown, domainName: string): DomainMark | undefined {
  for (const [key, value] of Object.entries(Object(metadata) as Record<string, unknown>)) {
    const prefix = key.endsWith(':machine') ? key.slice(0, -':machine'.length) : undefined
    if (prefix === undefined || child(value, `@xmlns:${prefix}`) !== MARK_NAMESPACE) continue
    const machine = text(child(value, '@name'))
    if (machine !== domainName) return undefined
    const ports = list(value, `${prefix}:nic`).map((nic) => ({
      port: text(child(nic, '@port')),
      tapDevice: text(child(nic, '@tap')),
    }))
    return { machine, specHash: text(child(value, '@specHash')), ports }
  }
  return undefined
}

const KIB_OF_UNIT: Readonly<Record<string, number>> = {
  b: 1 / 1024,
  bytes: 1 / 1024,
  KiB: 1,
  k: 1,
  MiB: 1024,
  M: 1024,
  GiB: 1024 ** 2,
  G: 1024 ** 2,
  TiB: 1024 ** 3,
  T: 1024 ** 3,
}

function memoryMiB(memory: unknown): number {
  const unit = text(child(memory, '@unit')) || 'KiB'
  return (Number(text(memory)) * (KIB_OF_UNIT[unit] ?? Number.NaN)) / 1024
}

function child(node: unknown, key: string): unknown {
  return node !== null && typeof node === 'object' && Object.hasOwn(node, key)
    ? (node as Record<string, unknown>)[key]
    : undefined
}

function list(node: unknown, key: string): readonly unknown[] {
  const found = child(node, key)
  if (found === undefined) return []
  return Array.isArray(found) ? found : [found]
}

function text(node: unknown): string {
  if (typeof node === 'string') return node
  const inner = child(node, '#')
  return typeof inner === 'string' ? inner : ''
}
