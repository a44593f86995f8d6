import { limitsText, limitWords } from './disk-limits.ts'
import type { DiskSpec, DomainSpec } from './domain-spec.ts'
import { specHash, XML_FORM } from './mark.ts'
import type { DomainReading } from './read.ts'
import type { DiskReading } from './read-devices.ts'

/** The names of what differs between a spec and a domain, in the spec's words; empty: they agree.
 *  The mark alone would miss an edit by hand, the fields alone a change of form, so both count. */
export function differences(spec: DomainSpec, found: DomainReading): readonly string[] {
  const boot = spec.boot ?? { kernel: '', initrd: '', commandLine: '' }
  const disks = (spec.disks ?? []).map(asRead)
  const nics = spec.nics.map((nic) => ({ ...nic, mac: nic.mac.toLowerCase() }))
  const pairs: readonly (readonly [string, unknown, unknown])[] = [
    ['uuid', spec.uuid, found.uuid],
    ['cpus', spec.cpus, found.cpus],
    ['maximumCpus', spec.maximumCpus ?? found.cpus, found.maximumCpus],
    ['memoryMiB', spec.memoryMiB, found.memoryMiB],
    ['maximumMemoryMiB', spec.maximumMemoryMiB ?? 0, found.maximumMemoryMiB],
    ['ioThreads', spec.ioThreads, found.ioThreads],
    ['accelerator', spec.accelerator, found.accelerator],
    ['kernel', boot.kernel, found.kernel],
    ['initrd', boot.initrd, found.initrd],
    ['commandLine', boot.commandLine, found.commandLine],
    ['serialLogFile', spec.serialLogFile, found.serialLogFile],
    ['serialSocket', spec.serialSocket, found.serialSocket],
    ['display', spec.display, found.display],
    ['disks', flat(disks, DISK_FIELDS), flat(found.disks, DISK_FIELDS)],
    ['nics', flat(nics, NIC_FIELDS), flat(found.nics, NIC_FIELDS)],
  ]
  const names = pairs.filter(([, wanted, is]) => wanted !== is).map(([name]) => name)
  const { mark } = found
  const isOld = mark?.specHash !== specHash(spec) || mark.form < XML_FORM
  return names.length === 0 && isOld ? ['form'] : names
}

const NO_VOLUME = { attach: '', name: '', volume: '', socket: '', format: '' } as const
/** What makes a disk that very one. */
export const DISK_IDENTITY = ['file', 'attach', 'volume', 'socket'] as const
/** What of a disk cannot be changed while a guest has it. */
export const DISK_FORM = ['name', 'format', 'readonly', 'queues'] as const
const DISK_FIELDS = ['target', ...DISK_IDENTITY, ...DISK_FORM, 'limits', 'ioThread'] as const
export const NIC_FIELDS = ['port', 'mac', 'bridgeDevice', 'tapDevice', 'mtu', 'queues'] as const

/** A disk of a spec as it would be read out of a domain. */
export function asRead(disk: DiskSpec): DiskReading {
  const { target, queues, ioThread } = disk
  const limits = limitsText(limitWords(disk.limits))
  const base = { target, queues, ioThread, limits, readonly: false, alias: '' }
  if (!('volume' in disk)) {
    const { file, format, readonly = false } = disk
    return { ...base, ...NO_VOLUME, file, format, readonly }
  }
  const { attach, socket, name, volume } = disk
  const vhost = { ...base, ...NO_VOLUME, file: '', attach, socket }
  return attach === 'vhost-user' ? { ...vhost, queues: undefined } : { ...vhost, name, volume }
}

/** Rows by some of their fields, to be compared. */
export function flat<Row>(rows: readonly Row[], fields: readonly (keyof Row)[]): string {
  return JSON.stringify(rows.map((row) => fields.map((field) => row[field] ?? null)))
}
