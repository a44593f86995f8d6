import type { ReportedDisk } from '@purlin/schema'

/** What stands on a partition, an array or a logical volume. */
export type Content =
  | { readonly kind: 'filesystem'; readonly filesystem: 'ext4' | 'xfs'; readonly mount: string }
  | { readonly kind: 'esp' }
  | { readonly kind: 'bios-boot' }
  | { readonly kind: 'swap' }
  | { readonly kind: 'lvm'; readonly group: string }
  | { readonly kind: 'raid'; readonly array: string }

/** A disk that a rule of the template chose. `link` is its name under /dev/disk/by-id. */
export interface ChosenDisk {
  readonly reported: ReportedDisk
  readonly link: string
}

/** Sizes and starts are whole MiB, so every table is aligned. `id` is unique in the layout. */
export interface LayoutPartition {
  readonly id: string
  readonly number: number
  readonly startMiB: number
  readonly sizeMiB: number
  readonly grow: boolean
  readonly content: Content
  readonly path: string
}

export interface LayoutDisk extends ChosenDisk {
  readonly id: string
  readonly table: 'gpt' | 'mbr'
  /** The firmware may start from it: the boot loader goes here. */
  readonly boot: boolean
  readonly partitions: readonly LayoutPartition[]
  readonly path: string
}

/** `sizeMiB` is the least that is left after mdadm’s own blocks. */
export interface LayoutArray {
  readonly id: string
  readonly name: string
  readonly level: 0 | 1 | 5 | 6 | 10
  readonly members: readonly string[]
  readonly sizeMiB: number
  readonly content: Content
  readonly path: string
}

export interface LayoutVolume {
  readonly id: string
  readonly name: string
  readonly sizeMiB: number
  readonly grow: boolean
  readonly content: Content
  readonly path: string
}

export interface LayoutGroup {
  readonly name: string
  readonly physicalVolumes: readonly string[]
  readonly sizeMiB: number
  readonly volumes: readonly LayoutVolume[]
  readonly path: string
}

/** A template laid out on the disks of one chassis. */
export interface Layout {
  readonly firmware: 'bios' | 'uefi'
  readonly architecture: 'x86_64' | 'aarch64'
  readonly disks: readonly LayoutDisk[]
  readonly arrays: readonly LayoutArray[]
  readonly groups: readonly LayoutGroup[]
}

/** One thing with content, whatever it stands on. */
export type Device =
  | { readonly kind: 'partition'; readonly disk: LayoutDisk; readonly part: LayoutPartition }
  | { readonly kind: 'array'; readonly part: LayoutArray }
  | { readonly kind: 'volume'; readonly group: string; readonly part: LayoutVolume }

/** Everything with content, disks first, then arrays, then volumes. */
export function devicesOf(layout: Layout): readonly Device[] {
  return [
    ...layout.disks.flatMap((disk) =>
      disk.partitions.map((part): Device => ({ kind: 'partition', disk, part })),
    ),
    ...layout.arrays.map((part): Device => ({ kind: 'array', part })),
    ...layout.groups.flatMap(({ name, volumes }) =>
      volumes.map((part): Device => ({ kind: 'volume', group: name, part })),
    ),
  ]
}

/** Where a content is mounted; undefined for what is not. */
export function mountOf(content: Content): string | undefined {
  if (content.kind === 'esp') return '/boot/efi'
  return content.kind === 'filesystem' ? content.mount : undefined
}
