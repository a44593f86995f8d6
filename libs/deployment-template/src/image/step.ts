/** A block device by what it is, never by the kernel's name. */
export type DeviceReference =
  | { readonly kind: 'disk'; readonly disk: DiskIdentity }
  | { readonly kind: 'partition'; readonly disk: DiskIdentity; readonly number: number }
  | { readonly kind: 'array'; readonly name: string }
  | { readonly kind: 'volume'; readonly group: string; readonly name: string }

/** What the discovery system compares with the disk in its hands before it writes to it. */
export interface DiskIdentity {
  readonly link: string
  readonly serial?: string
  readonly wwn?: string
  readonly sizeBytes: number
}

/** A partition of a table: sizes in MiB, the type as a GPT type or an MBR type. */
export interface TablePartition {
  readonly number: number
  readonly startMiB: number
  readonly sizeMiB: number
  readonly type: string
  readonly bootable: boolean
}

/** A line of fstab(5); the discovery system puts the UUID of `device` in its first field. */
export interface FstabEntry {
  readonly device: DeviceReference
  readonly mount: string
  readonly filesystem: string
  readonly options: string
  readonly pass: 0 | 1 | 2
}

/** One step of an image deployment, executed in order by the discovery system. */
export type ImageStep =
  | { readonly do: 'tell'; readonly step: string; readonly url: string }
  | { readonly do: 'run-script'; readonly url: string }
  | { readonly do: 'check-disk'; readonly disk: DiskIdentity }
  | { readonly do: 'wipe-disk'; readonly disk: DiskIdentity }
  | {
      readonly do: 'write-table'
      readonly disk: DiskIdentity
      readonly table: 'gpt' | 'mbr'
      readonly partitions: readonly TablePartition[]
    }
  | {
      readonly do: 'make-array'
      readonly name: string
      readonly level: 0 | 1 | 5 | 6 | 10
      readonly members: readonly DeviceReference[]
    }
  | {
      readonly do: 'make-group'
      readonly group: string
      readonly physicalVolumes: readonly DeviceReference[]
    }
  | {
      readonly do: 'make-volume'
      readonly group: string
      readonly name: string
      /** Absent: all that is left of the group. */
      readonly sizeMiB?: number
    }
  | {
      readonly do: 'make-filesystem'
      readonly device: DeviceReference
      readonly filesystem: 'ext4' | 'xfs' | 'vfat' | 'swap'
    }
  | { readonly do: 'mount'; readonly device: DeviceReference; readonly mount: string }
  | { readonly do: 'unpack'; readonly url: string; readonly sha256: string }
  | { readonly do: 'write-fstab'; readonly entries: readonly FstabEntry[] }
  | { readonly do: 'reset-identity'; readonly hostname: string }
  | {
      readonly do: 'run-in-system'
      readonly program: string
      readonly args: readonly string[]
    }
  | {
      readonly do: 'install-boot-loader'
      readonly firmware: 'bios' | 'uefi'
      readonly disks: readonly DiskIdentity[]
    }
  | { readonly do: 'run-script-in-system'; readonly url: string }
  | { readonly do: 'unmount' }
  | { readonly do: 'restart-from-disk' }
