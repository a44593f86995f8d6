import type {
  FlowExport,
  NetworkBoot,
  PortDevices,
  PortMirror,
  PortQos,
  UplinkBond,
} from '@purlin/schema'
import type { Flow } from './flows/flow.ts'
import type { RouterDesired } from './router/desired.ts'

/** A switch on this host: an Open vSwitch bridge of its name, with parts of its own beside it
 *  where it has tunnels or direct ports. */
export interface SwitchDesired {
  /** At most 15 characters: it names a device. */
  readonly name: string
  /** Bytes of a frame's payload. */
  readonly mtu: number
  /** Host interfaces or bonds that carry the switch to other machines: every VLAN of it, or its
   *  tunnels where it has an overlay. */
  readonly uplinks: readonly string[]
  /** Bonds that the uplinks name. */
  readonly bonds?: readonly UplinkBond[]
  readonly overlay?: OverlayDesired
  readonly flowExport?: FlowExport
  /** How long a change of uplinks waits for somebody to confirm it; 0 or absent: it stays. */
  readonly confirmSeconds?: number
}

/** Tunnels from this host to each of the others that have the switch. */
export interface OverlayDesired {
  readonly type: 'vxlan' | 'geneve'
  readonly udpPort: number
  /** `ADDRESS/LENGTH` of this host in the network that carries the tunnels. */
  readonly underlay: string
  /** The other hosts and where their tunnels end. */
  readonly peers: readonly { readonly host: string; readonly address: string }[]
  /** Key of each network's frames in the tunnels. */
  readonly networks: readonly { readonly vlan: number; readonly key: number }[]
  /** Where machines are, as far as it is known; frames for others go to every peer. */
  readonly stations: readonly Station[]
}

export interface Station {
  readonly mac: string
  readonly vlan: number
  readonly host: string
}

/** Copies of what ports of this host send and receive. */
export interface MirrorDesired {
  /** Unique on the switch. */
  readonly name: string
  readonly switch: string
  /** `MACHINE.NIC` of this host. */
  readonly ports: readonly string[]
  readonly direction: PortMirror['direction']
  /** A port of this host, or a tunnel to elsewhere. */
  readonly to: PortMirror['to']
}

/** Machines of a port group whose ports must not reach each other, on any host. */
export interface IsolationDesired {
  readonly switch: string
  readonly vlan: number
  readonly macs: readonly string[]
}

export interface SubnetDesired {
  readonly cidr: string
  /** The address that the port group's service answers; without it nothing is served there. */
  readonly gateway?: string
  /** Whether and how long addresses are leased. The bounds of the range matter to whoever chooses
   *  addresses; the service hands out reserved addresses alone. */
  readonly dhcp?: { readonly from: string; readonly to: string; readonly leaseSeconds: number }
  /** Whether machines make an address of their own of the prefix (IPv6 alone). */
  readonly slaac?: boolean
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
  /** What machines are told that start from the network. */
  readonly pxe?: NetworkBoot
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
  /** How the NIC reaches the switch: by a bridge of its own (the default), or its tap as a port of
   *  the switch itself, which `directFlows` filter. */
  readonly path?: 'filterable' | 'direct'
  readonly qos?: PortQos
  /** Frames of other isolated ports do not come here. */
  readonly isolated?: boolean
  /** Its machine is still on another host, and is about to come. */
  readonly arriving?: boolean
}

export interface VswitchDesired {
  /** Name of this host: other hosts see its gateways under MACs made of it. Absent: it has no
   *  others. */
  readonly host?: string
  readonly switches: readonly SwitchDesired[]
  readonly portGroups: readonly PortGroupDesired[]
  readonly ports: readonly PortDesired[]
  readonly routers?: readonly RouterDesired[]
  readonly mirrors?: readonly MirrorDesired[]
  readonly isolation?: readonly IsolationDesired[]
  /** By switch, what its direct ports may send and receive. They name taps, and `outsideOf` the
   *  switch as the port of everything else. */
  readonly directFlows?: Readonly<Record<string, readonly Flow[]>>
}
