import type { DiskSpec, DomainSpec } from './domain-spec.ts'
import { specHash } from './mark.ts'
import type { DiskReading, DomainReading } from './read.ts'

/** The names of what differs between a spec and a domain, in the spec's words; empty: they agree.
 *  The mark alone would miss an edit by hand, the fields alone a change of form, so both count. */
export function differences(spec: DomainSpec, found: DomainReading): readonly string[] {
  const boot = spec.boot ?? { kernel: '', initrd: '', commandLine: '' }
  const disks = (spec.disks ?? []).map(asRead)
  const nics = spec.nics.map((nic) => ({ ...nic, mac: nic.mac.toLowerCase() }))
  const pairs: readonly (readonly [string, unknown, unknown])[] = [
    ['uuid', spec.uuid, found.uuid],
    ['cpus', spec.cpus, found.cpus],
    ['memoryMiB', spec.memoryMiB, found.memoryMiB],
    ['accelerator', spec.accelerator, found.accelerator],
    ['kernel', boot.kernel, found.kernel],
    ['initrd', boot.initrd, found.initrd],
    ['commandLine', boot.commandLine, found.commandLine],
    ['serialLogFile', spec.serialLogFile, found.serialLogFile],
    ['disks', flat(disks, DISK_FIELDS), flat(found.disks, DISK_FIELDS)],
    ['nics', flat(nics, NIC_FIELDS), flat(found.nics, NIC_FIELDS)],
  ]
  const names = pairs.filter(([, wanted, is]) => wanted !== is).map(([name]) => name)
  if (names.length === 0 && found.mark?.specHash !== specHash(spec)) return ['form']
  return names
}

const NO_VOLUME = { attach: '', name: '', volume: '', socket: '' } as const
const DISK_FIELDS = ['target', 'file', 'attach', 'name', 'volume', 'socket'] as const
const NIC_FIELDS = ['port', 'mac', 'bridgeDevice', 'tapDevice', 'mtu'] as const

/** A disk of a spec as it would be read out of a domain. */
function asRead(disk: DiskSpec): DiskReading {
  if (!('volume' in disk)) return { ...NO_VOLUME, target: disk.target, file: disk.file }
  const { target, attach, socket } = disk
  if (attach === 'vhost-user') return { ...NO_VOLUME, target, file: '', attach, socket }
  return { ...disk, file: '' }
}

function flat<Row>(rows: readonly Row[], fields: readonly (keyof Row)[]): string {
  return JSON.stringify(rows.map((row) => fields.map((field) => row[field])))
}
