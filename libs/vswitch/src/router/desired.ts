/** A port group that a router joins, as it is on this host. */
export interface LegDesired {
  readonly portGroup: string
  /** Bytes. */
  readonly mtu: number
  readonly subnets: readonly { readonly cidr: string; readonly gateway: string }[]
  /** Who is behind which address, on whichever host: known, so nobody is asked on the wire. */
  readonly neighbours: readonly { readonly address: string; readonly mac: string }[]
  /** Networks that are reached by a machine of the port group. */
  readonly routes: readonly RouteDesired[]
}

export interface RouteDesired {
  readonly to: string
  readonly via: string
}

/** The external side of a router on this host. */
export interface ExternalDesired {
  readonly portGroup: string
  readonly switch: string
  readonly vlan: number
  readonly mtu: number
  /** Of this host and router alone: it is seen on the wire. */
  readonly mac: string
  /** `ADDRESS/LENGTH` that are this host's own; what its machines send goes out under them. */
  readonly addresses: readonly string[]
  readonly nextHops: readonly string[]
  readonly routes: readonly RouteDesired[]
  /** Whether machines go out under the host's addresses and nobody outside begins a flow
   *  unasked. */
  readonly snat: boolean
}

/** An external address that stands for one machine of this host. */
export interface FloatingDesired {
  readonly address: string
  readonly to: string
}

/** Ports of an external address that lead to a machine of this host. */
export interface ForwardDesired {
  readonly address: string
  readonly protocol: 'tcp' | 'udp'
  readonly first: number
  readonly last: number
  readonly to: string
  /** Absent: the port stays. */
  readonly toPort?: number
}

/** Ports of an external address that is answered here and leads to a machine elsewhere. */
export interface SteeredDesired {
  readonly address: string
  readonly protocol: 'tcp' | 'udp'
  readonly first: number
  readonly last: number
  /** External address of that machine's host. */
  readonly via: string
}

/** A router as it is on this host. */
export interface RouterDesired {
  readonly name: string
  readonly legs: readonly LegDesired[]
  readonly external?: ExternalDesired
  readonly floating: readonly FloatingDesired[]
  readonly forwards: readonly ForwardDesired[]
  /** Floating and forwarded addresses that this host answers for on the wire. */
  readonly answered: readonly string[]
  readonly steered: readonly SteeredDesired[]
}
