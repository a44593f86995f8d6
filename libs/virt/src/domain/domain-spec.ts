import type { DiskLimits } from './disk-limits.ts'

/** How the guest's processor is made: by the host's own, or by QEMU's translator (slow, works
 *  everywhere). */
export type Accelerator = 'kvm' | 'tcg'

export interface NicSpec {
  /** The port's name in Purlin, such as `web-1.eth0`. */
  readonly port: string
  readonly mac: string
  /** Name of the Linux bridge of this NIC; it stands before the machine starts. Absent: the tap is
   *  in no bridge, and a switch takes it by its name. */
  readonly bridgeDevice?: string
  /** Name of the tap that libvirt makes; rules are keyed by it, so it is fixed. At most 15
   *  characters. */
  readonly tapDevice: string
  readonly mtu: number
  /** How many processors of the guest work on it at a time; absent: one. */
  readonly queues?: number
}

/** What every disk may have. */
interface DiskTuning {
  /** What it may use; absent: all there is. */
  readonly limits?: DiskLimits
  /** How many processors of the guest work on it at a time; absent: as many as there are. */
  readonly queues?: number
  /** Which of the machine's I/O threads does its work, from 1 on; absent: QEMU's main loop. */
  readonly ioThread?: number
}

/** A disk in a file of the host. */
export interface FileDiskSpec extends DiskTuning {
  /** Device in the guest, such as `vda`. */
  readonly target: string
  readonly file: string
  readonly format: 'qcow2' | 'raw'
  readonly readonly?: boolean
}

/** How QEMU has a volume: as a client of NBD, or by handing the guest's memory to the block daemon,
 *  which is between the guest and the volume alone then. */
export type VolumeAttachment = 'nbd' | 'vhost-user'

/** A disk on a volume. */
export interface VolumeDiskSpec extends DiskTuning {
  readonly target: string
  readonly attach: VolumeAttachment
  /** Over NBD the disk's serial number, by which the guest finds it:
   *  `/dev/disk/by-id/virtio-NAME`; at most 20 characters. By vhost-user the daemon gives the
   *  serial number, which is the volume's name. */
  readonly name: string
  /** The volume's name; over NBD that of the export. */
  readonly volume: string
  /** The unix socket it is served on. */
  readonly socket: string
  /** What the guest is to see of it while it runs; absent: whatever it is. No part of the
   *  definition, since a guest that starts sees what is there. */
  readonly sizeBytes?: number
}

export type DiskSpec = FileDiskSpec | VolumeDiskSpec

export interface BootSpec {
  /** File of the kernel on the host; an ELF with a PVH entry or a bzImage. */
  readonly kernel: string
  readonly initrd: string
  readonly commandLine: string
}

/** Everything of a machine that its libvirt domain is made of; what is not here is the same for
 *  all. */
export interface DomainSpec {
  readonly name: string
  readonly uuid: string
  readonly cpus: number
  /** Up to how many it may have while it runs; absent: `cpus` are all. */
  readonly maximumCpus?: number
  readonly memoryMiB: number
  /** Up to how much it may have while it runs; absent: `memoryMiB` is all. A multiple of 2, as
   *  `memoryMiB` is then. */
  readonly maximumMemoryMiB?: number
  /** Threads of QEMU for its disks; absent: none. */
  readonly ioThreads?: number
  readonly accelerator: Accelerator
  /** Absent: the firmware boots from the disks. */
  readonly boot?: BootSpec
  readonly disks?: readonly DiskSpec[]
  readonly nics: readonly NicSpec[]
  /** What the guest writes to its first serial port goes into this file of the host. */
  readonly serialLogFile: string
  /** The unix socket of that port: who connects to it reads and writes. At most 107 bytes. */
  readonly serialSocket: string
  /** Whether it has a screen. */
  readonly display: boolean
}
