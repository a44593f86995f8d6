import type { Accelerator } from './domain-spec.ts'
import { type DomainMark, FIRST_FORM, MARK_NAMESPACE } from './mark.ts'
import {
  type DiskReading,
  type MemoryDeviceReading,
  type NicReading,
  readDisk,
  readFreeSlots,
  readMemoryDevice,
  readNic,
} from './read-devices.ts'
import { child, list, memoryMiB, number, parseXml, text } from './xml-node.ts'

/** What a domain's XML says, as far as Purlin compares it. */
export interface DomainReading {
  readonly name: string
  readonly uuid: string
  readonly mark?: DomainMark
  readonly cpus: number
  /** How many processors it may have while it runs. */
  readonly maximumCpus: number
  /** What it starts with; a memory device is on top. */
  readonly memoryMiB: number
  /** 0 where it cannot have more than it starts with. */
  readonly maximumMemoryMiB: number
  readonly memoryDevice?: MemoryDeviceReading
  /** What the guest has after its balloon, the memory device included. */
  readonly currentMemoryMiB: number
  readonly ioThreads: number | undefined
  /** Whether other programs may map its memory. */
  readonly sharedMemory: boolean
  /** How many disks and NICs may still come while it runs. */
  readonly freeSlots: number
  readonly accelerator: Accelerator
  readonly kernel: string
  readonly initrd: string
  readonly commandLine: string
  readonly disks: readonly DiskReading[]
  readonly nics: readonly NicReading[]
  readonly serialLogFile: string
  /** Empty where the port is only written down. */
  readonly serialSocket: string
  /** Whether it has a screen that Purlin can open. */
  readonly display: boolean
  /** Whether the guest agent's end of the channel is open; only in XML of an active domain. */
  readonly agentConnected: boolean
}

/** Reads domain XML of libvirt. Undefined where the text is no domain: such a one is not
 *  Purlin's. */
export function readDomain(xml: string): DomainReading | undefined {
  const domain = child(parseXml(xml), 'domain')
  const name = text(child(domain, 'name'))
  if (name === '') return undefined
  const mark = readMark(child(domain, 'metadata'), name)
  const devices = child(domain, 'devices')
  const os = child(domain, 'os')
  const memoryDevice = readMemoryDevice(devices)
  const wholeMiB = memoryMiB(child(domain, 'memory'))
  const bootMiB = wholeMiB - (memoryDevice?.sizeMiB ?? 0)
  const most = child(domain, 'maxMemory')
  const current = child(domain, 'currentMemory')
  const maximumCpus = Number(text(child(domain, 'vcpu')))
  return {
    name,
    uuid: text(child(domain, 'uuid')),
    ...(mark !== undefined && { mark }),
    cpus: number(child(child(domain, 'vcpu'), '@current')) ?? maximumCpus,
    maximumCpus,
    memoryMiB: bootMiB,
    maximumMemoryMiB: most === undefined ? 0 : memoryMiB(most),
    ...(memoryDevice && { memoryDevice }),
    currentMemoryMiB:
      current === undefined ? bootMiB + (memoryDevice?.currentMiB ?? 0) : memoryMiB(current),
    ioThreads: number(child(domain, 'iothreads')),
    sharedMemory:
      text(child(child(child(domain, 'memoryBacking'), 'access'), '@mode')) === 'shared',
    freeSlots: readFreeSlots(devices),
    accelerator: text(child(domain, '@type')) === 'kvm' ? 'kvm' : 'tcg',
    kernel: text(child(os, 'kernel')),
    initrd: text(child(os, 'initrd')),
    commandLine: text(child(os, 'cmdline')),
    disks: list(devices, 'disk').map(readDisk),
    nics: list(devices, 'interface').map((nic) => readNic(nic, mark)),
    ...readSerial(list(devices, 'serial')[0]),
    display: list(devices, 'graphics').some((one) => text(child(one, '@type')) === 'vnc'),
    agentConnected: list(devices, 'channel').some((channel) => {
      const target = child(channel, 'target')
      const isAgent = text(child(target, '@name')) === 'org.qemu.guest_agent.0'
      return isAgent && text(child(target, '@state')) === 'connected'
    }),
  }
}

function readSerial(serial: unknown): Pick<DomainReading, 'serialLogFile' | 'serialSocket'> {
  const path = text(child(child(serial, 'source'), '@path'))
  if (text(child(serial, '@type')) !== 'unix') return { serialLogFile: path, serialSocket: '' }
  return { serialLogFile: text(child(child(serial, 'log'), '@file')), serialSocket: path }
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
    const form = number(child(value, '@form')) ?? FIRST_FORM
    return { machine, specHash: text(child(value, '@specHash')), form, ports }
  }
  return undefined
}
