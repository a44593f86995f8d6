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
}

/** A disk in a file of the host. */
export interface FileDiskSpec {
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
export interface VolumeDiskSpec {
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
  readonly memoryMiB: number
  readonly accelerator: Accelerator
  /** Absent: the firmware boots from the disks. */
  readonly boot?: BootSpec
  readonly disks?: readonly DiskSpec[]
  readonly nics: readonly NicSpec[]
  /** What the guest writes to its first serial port goes into this file of the host. */
  readonly serialLogFile: string
}
