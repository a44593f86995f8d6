import type { PortDevices } from '@purlin/schema'

/** A switch on this host: an Open vSwitch bridge of its name. */
export interface SwitchDesired {
  /** At most 15 characters: it names a device. */
  readonly name: string
  /** Bytes of a frame's payload. */
  readonly mtu: number
  /** Host interfaces that carry every VLAN of the switch to other machines. */
  readonly uplinks: readonly string[]
}

export interface SubnetDesired {
  readonly cidr: string
  /** The address that the port group's service answers; without it nothing is served there. */
  readonly gateway?: string
  /** Whether and how long addresses are leased. The bounds of the range matter to whoever chooses
   *  addresses; the service hands out reserved addresses alone. */
  readonly dhcp?: { readonly from: string; readonly to: string; readonly leaseSeconds: number }
}

/** What a machine of the port group is given, on whichever host it runs. */
export interface ReservationDesired {
  /** Its name within the port group's domain. */
  readonly hostName: string
  readonly mac: string
  readonly ipv4: readonly string[]
  readonly ipv6: readonly string[]
}

export interface PortGroupDesired {
  readonly name: string
  readonly switch: string
  /** Access VLAN, 1 to 4094; 0: untagged. */
  readonly vlan: number
  readonly subnets: readonly SubnetDesired[]
  readonly dns?: { readonly domain: string; readonly forwarders: readonly string[] }
  readonly mtu: number
  readonly reservations: readonly ReservationDesired[]
  /** Whether this host answers for the port group: it has a port here. */
  readonly served: boolean
}

/** A machine's NIC on this host, plugged into the switch. */
export interface PortDesired {
  /** `MACHINE.NIC`. */
  readonly port: string
  readonly portGroup: string
  readonly switch: string
  /** Access VLAN, 1 to 4094; 0: untagged. */
  readonly vlan: number
  /** VLANs that pass tagged beside it. */
  readonly trunk: readonly number[]
  readonly mac: string
  readonly mtu: number
  readonly devices: PortDevices
}

export interface VswitchDesired {
  readonly switches: readonly SwitchDesired[]
  readonly portGroups: readonly PortGroupDesired[]
  readonly ports: readonly PortDesired[]
}
