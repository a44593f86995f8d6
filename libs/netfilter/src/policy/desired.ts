import type { AlwaysOpen, NicGuards, SecurityGroupSpec } from '@purlin/schema'

export type Direction = 'inbound' | 'outbound'
export type FilterAction = 'allow' | 'deny'

/** A NIC of this host with everything that its filter needs. */
export interface FilteredNic {
  /** `MACHINE.NIC`, such as `web-1.eth0`. */
  readonly port: string
  /** The machine's own side of the NIC's bridge; rules stand before it exists. */
  readonly tap: string
  /** The bridge's side of the cable to the switch. */
  readonly inner: string
  /** Conntrack zone, 1 to 65535; also the low half of the NIC's packet marks. */
  readonly zone: number
  readonly mac: string
  readonly ipv4: readonly string[]
  readonly ipv6: readonly string[]
  /** In order: an earlier group decides before a later one. */
  readonly groups: readonly string[]
  /** Whether its lists apply; false: whatever its guards let through passes. */
  readonly filtered: boolean
  readonly defaultPolicy: { readonly inbound: FilterAction; readonly outbound: FilterAction }
  readonly guards: NicGuards
  readonly alwaysOpen: AlwaysOpen
  /** Addresses, networks and MACs it may send from beside its own. */
  readonly allowedAddresses: readonly string[]
  /** The port group's own DHCP servers and router: from nobody else do answers and router
   *  advertisements pass by themselves. */
  readonly servers: readonly NicServer[]
  /** Whether it carries tagged frames, into which no list can see. */
  readonly trunk: boolean
}

/** A server that the switch runs for a port group: one for each subnet. */
export interface NicServer {
  readonly mac: string
  readonly address: string
}

/** The addresses of one member NIC of a group, wherever it runs. */
export interface MemberAddresses {
  readonly ipv4: readonly string[]
  readonly ipv6: readonly string[]
}

/** What the rule set of this host follows from. Values are never changed in place. */
export interface NetfilterDesired {
  /** NICs on this host. */
  readonly nics: readonly FilteredNic[]
  readonly groups: ReadonlyMap<string, SecurityGroupSpec>
  /** By group, the members of every host. */
  readonly members: ReadonlyMap<string, readonly MemberAddresses[]>
}
