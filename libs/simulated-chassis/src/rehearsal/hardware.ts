import type { DiskOptions } from '../options.ts'

/** What of a template decides the hardware; its own shape has more. */
export interface TemplateHardware {
  readonly disks: readonly {
    readonly match: {
      readonly serial?: string | undefined
      readonly wwn?: string | undefined
      readonly media?: 'ssd' | 'hdd' | undefined
      readonly minSizeGiB?: number | undefined
      readonly maxSizeGiB?: number | undefined
      readonly smallest?: boolean | undefined
      readonly largest?: boolean | undefined
    }
    readonly partitions: readonly { readonly sizeMiB?: number | undefined }[]
  }[]
  readonly lvm: readonly {
    readonly volumes: readonly { readonly sizeGiB?: number | undefined }[]
  }[]
  readonly network: {
    readonly nics: readonly { readonly mac: string }[]
    readonly bonds: readonly { readonly members: readonly { readonly mac: string }[] }[]
  }
}

/** What of a discovery report decides the hardware. */
export interface ReportedHardware {
  readonly memory: { readonly sizeMiB: number }
  readonly disks: readonly {
    readonly serial?: string | undefined
    readonly wwn?: string | undefined
    readonly sizeBytes: number
    readonly media: 'ssd' | 'hdd'
    readonly transport: string
  }[]
  readonly nics: readonly { readonly mac: string }[]
  readonly firmware: { readonly mode: 'bios' | 'uefi' }
  readonly system: { readonly uuid?: string | undefined; readonly serial?: string | undefined }
}

export interface Hardware {
  readonly disks: readonly DiskOptions[]
  /** The boot card first. */
  readonly macs: readonly string[]
}

/** Room for what grows, and for what partition tables, groups and rounding take. */
const GROWTH_GIB = 6
const SERIAL_CHARACTERS_MAX = 36
const GIB = 1024 ** 3

/** Hardware that a template fits on, with its boot card. A disk each rule, of the rule's own serial
 *  number and size; where a rule says `largest` or `smallest`, the disks differ in size in the
 *  order of the rules. Pure. */
export function hardwareOfTemplate(template: TemplateHardware, bootMac: string): Hardware {
  const groups = template.lvm.flatMap(({ volumes }) => volumes.map(({ sizeGiB = 0 }) => sizeGiB))
  const groupsGiB = groups.reduce((sum, size) => sum + size, 0)
  const disks = template.disks.map(({ match, partitions }, index): DiskOptions => {
    const partitionsMiB = partitions.reduce((sum, { sizeMiB = 0 }) => sum + sizeMiB, 0)
    const neededGiB = Math.ceil(partitionsMiB / 1024 + groupsGiB) + GROWTH_GIB
    // Of two rules the one for the largest disk must find a larger one than the other's.
    const place = match.largest === true ? template.disks.length : index
    const sizeGiB = Math.max(neededGiB + place, Math.ceil(match.minSizeGiB ?? 0))
    return {
      sizeGiB: Math.min(sizeGiB, Math.floor(match.maxSizeGiB ?? Number.POSITIVE_INFINITY)),
      serial: (match.serial ?? `disk-${index}`).slice(0, SERIAL_CHARACTERS_MAX),
      ...(match.wwn !== undefined && { wwn: hexadecimal(match.wwn) }),
      ...(match.media !== undefined && { media: match.media }),
    }
  })
  const { nics, bonds } = template.network
  const named = [...nics, ...bonds.flatMap(({ members }) => members)].map(({ mac }) => mac)
  return { disks, macs: unique([bootMac, ...named]) }
}

/** The hardware of a machine that was discovered; its disks are as large, and take room only as
 *  they are written. Pure. */
export function hardwareOfReport(report: ReportedHardware, bootMac: string): Hardware {
  const disks = report.disks
    .filter(({ transport }) => transport !== 'usb')
    .map(({ serial, wwn, sizeBytes, media, transport }, index): DiskOptions => {
      const scsi = transport !== 'virtio' || wwn !== undefined
      return {
        sizeGiB: Math.max(1, Math.floor(sizeBytes / GIB)),
        serial: (serial ?? `disk-${index}`).slice(0, SERIAL_CHARACTERS_MAX),
        ...(scsi && { media }),
        ...(wwn !== undefined && /^(0x)?[0-9a-f]{16}$/i.test(wwn) && { wwn: hexadecimal(wwn) }),
      }
    })
  return { disks, macs: unique([bootMac, ...report.nics.map(({ mac }) => mac)]) }
}

function hexadecimal(wwn: string): string {
  const digits = wwn.toLowerCase().replace(/^(0x|naa\.|wwn-)+/, '')
  return `0x${digits}`
}

function unique(macs: readonly string[]): readonly string[] {
  return [...new Set(macs.map((mac) => mac.toLowerCase()))]
}
