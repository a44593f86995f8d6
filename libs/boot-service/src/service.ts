import type { Clock, Run } from '@purlin/base'
import type { NodeDesk, ServerUrls } from './desk.ts'
import type { BootNotice } from './notice.ts'
import type { ForeignServer } from './rogue/foreign-server.ts'

/** A machine that is known: it gets this address and no other. */
export interface BootHost {
  /** Lower case, colons. */
  readonly mac: string
  readonly address: string
  /** A DNS label; the machine is told it as its host name. */
  readonly name: string
}

export interface BootServiceOptions {
  /** Name of the deployment network, for notices. */
  readonly network: string
  /** The host's NIC or bridge; its first address in the subnet is the server's. */
  readonly interface: string
  readonly subnet: {
    readonly cidr: string
    /** Ends of the range that strangers get addresses of while the enrol window is open. */
    readonly from: string
    readonly to: string
    /** Offered as the router; the server's own address where absent. */
    readonly gateway?: string
  }
  /** Folder of configuration, leases, TFTP; the service makes it and owns what is in it. */
  readonly folder: string
  readonly desk: NodeDesk
  /** The file behind `/system/NAME`, which any node may read; undefined: none of that name. What
   *  boots into discovery loads `kernel`, `ca.cpio` where there is one, and `initrd`. */
  readonly systemFile: (name: string) => string | undefined
  readonly onNotice: (notice: BootNotice) => void
  readonly httpPort?: number
  readonly httpsPort?: number
  /** PEM; absent: no HTTPS. */
  readonly tls?: { readonly key: string; readonly certificate: string }
  /** What BIOS machines are handed first: iPXE, or pxelinux.0 that starts iPXE. */
  readonly biosLoader?: 'ipxe' | 'pxelinux'
  /** The user dnsmasq becomes when it is started by root. */
  readonly user?: string
  /** A line for each request answered, without tokens. */
  readonly onAccess?: (line: string) => void
  readonly clock?: Clock
  readonly run?: Run
  /** The seam to the kernel's neighbours: the text of /proc/net/arp. */
  readonly readNeighbours?: () => Promise<string>
}

export interface BootStatus {
  readonly urls: ServerUrls
  readonly dhcp: {
    readonly state: 'serving' | 'starting' | 'failed'
    /** How often dnsmasq was started again since the service was opened. */
    readonly restarts: number
    /** Why it does not serve, in words. */
    readonly reason?: string
  }
  readonly enrolOpen: boolean
  readonly hosts: number
  /** DHCP servers other than ours that answered the last probe. */
  readonly foreignServers: readonly ForeignServer[]
}

/** DHCP, TFTP and HTTP of one deployment network. */
export interface BootService {
  readonly urls: ServerUrls
  /** The known machines, all of them. Resolves when DHCP answers by it. Errors: PUR_BOOT_HOSTS,
   *  PUR_BOOT_DHCP. */
  setHosts(hosts: readonly BootHost[]): Promise<void>
  /** Opens or closes the window in which machines that are not known get an address of the range.
   *  Resolves when DHCP answers by it. */
  setEnrol(open: boolean): Promise<void>
  status(): BootStatus
  /** Looks for DHCP servers that are not ours, now. */
  probeForeignServers(): Promise<readonly ForeignServer[]>
  close(): Promise<void>
}
