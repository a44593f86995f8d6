/** A network card: a tap of the caller's network namespace, and the address that the card has. */
export interface NicOptions {
  readonly tap: string
  readonly mac: string
}

export interface DiskOptions {
  readonly sizeGiB: number
  /** At most 36 characters. */
  readonly serial: string
  /** `0x` and 16 hexadecimal digits. With it, with `media` or with a serial number of more than 20
   *  characters the disk is a SCSI disk, else a virtio disk, which reports itself as rotating. */
  readonly wwn?: string
  readonly media?: 'ssd' | 'hdd'
}

export interface ChassisOptions {
  /** An absolute path of at most 80 bytes (unix sockets lie in it). Disks that are there from an
   *  earlier start are used as they are. */
  readonly folder: string
  readonly name: string
  /** UDP, at `bmcAddress` of the caller's network namespace. */
  readonly ipmiPort: number
  readonly bmcAddress: string
  readonly username: string
  readonly password: string
  readonly nics: readonly NicOptions[]
  readonly disks: readonly DiskOptions[]
  readonly firmware: 'bios' | 'uefi'
  /** Who speaks PXE: iPXE in the card's option ROM, or (UEFI) the firmware itself. */
  readonly loader: 'ipxe' | 'firmware'
  readonly memoryMiB: number
  /** The system UUID: in SMBIOS, and as the BMC's GUID. */
  readonly uuid: string
  /** The system's serial number: in SMBIOS, and in the BMC's product area. */
  readonly serial: string
  /** What its clock says at each start, `2001-01-01T00:00:00` UTC, as of a board whose battery is
   *  empty; this host's time where absent. */
  readonly clock?: string
  /** False: no machine behind the BMC, the power is a state alone. */
  readonly machine?: boolean
}

/** What a BMC or a chassis does wrong, until it is set otherwise. */
export interface Faults {
  /** The BMC takes a boot device and the machine starts from its disk all the same. */
  ignoresBootDevice: boolean
  /** The boot device holds for every start, not for one. */
  keepsBootDevice: boolean
  /** A power command is answered with success and not carried out. */
  ignoresPower: boolean
  /** A soft off does not reach the machine. */
  ignoresSoftOff: boolean
  /** The power state that the BMC reports, whatever it is. */
  reportedPower: 'on' | 'off' | undefined
  /** How long each command that concerns the chassis takes. */
  slowMs: number
}

/** A chassis without a fault. */
export function noFaults(): Faults {
  return {
    ignoresBootDevice: false,
    keepsBootDevice: false,
    ignoresPower: false,
    ignoresSoftOff: false,
    reportedPower: undefined,
    slowMs: 0,
  }
}
