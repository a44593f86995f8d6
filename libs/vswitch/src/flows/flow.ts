/** A field of a packet, or of what the pipeline notes about it. The names are those of
 *  ovs-ofctl. */
export type FieldName =
  | 'in_port'
  | 'vlan_vid'
  | 'dl_src'
  | 'dl_dst'
  | 'dl_type'
  | 'arp_spa'
  | 'arp_tpa'
  | 'arp_op'
  | 'arp_sha'
  | 'nw_src'
  | 'nw_dst'
  | 'ipv6_src'
  | 'ipv6_dst'
  | 'nw_proto'
  | 'tp_src'
  | 'tp_dst'
  | 'icmp_type'
  | 'icmp_code'
  | 'nd_target'
  | 'nd_sll'
  | 'nd_tll'
  | 'tcp_flags'
  | 'ct_state'
  | 'conj_id'
  | 'tun_id'
  | Register

export type Register = 'reg5' | 'reg6' | 'reg7' | 'reg8'

/** A condition on one field: its bits under `mask` (absent: all) are those of `value`. Ports of the
 *  switch may be given by name. */
export interface FieldMatch {
  readonly field: FieldName
  readonly value: bigint | string
  readonly mask?: bigint
}

export type FlowAction =
  | { readonly do: 'drop' }
  | { readonly do: 'set'; readonly register: Register; readonly value: number }
  /** Writes a field of the frame itself, which its match must say that it has. */
  | { readonly do: 'write'; readonly field: FieldName; readonly value: bigint }
  | { readonly do: 'set-network-from-tag' }
  | { readonly do: 'go'; readonly table: number }
  /** Looks the connection up in the NIC's zone and goes on in the table. */
  | { readonly do: 'track'; readonly table: number }
  /** Notes the connection in the NIC's zone. */
  | { readonly do: 'commit' }
  | {
      readonly do: 'conjunction'
      readonly id: number
      readonly clause: number
      readonly of: number
    }
  | { readonly do: 'untag' }
  | { readonly do: 'tag'; readonly vlan: number }
  | { readonly do: 'set-tunnel'; readonly key: number }
  | { readonly do: 'output'; readonly port: number | string }
  /** What a switch that learns does: to the port of the MAC, or to all of the VLAN. */
  | { readonly do: 'normal' }
  /** Carries out actions on a copy. */
  | { readonly do: 'copy'; readonly actions: readonly FlowAction[] }

/** One OpenFlow flow. Of the flows of a table that match, the one of the highest priority counts.
 *  It has the shape of the flows that security groups compile to, and more fields and actions. */
export interface Flow {
  readonly table: number
  /** 0 to 65535. */
  readonly priority: number
  readonly match: readonly FieldMatch[]
  readonly actions: readonly FlowAction[]
  /** Where it comes from: `web/inbound/0`, `tunnel/station`. Its hash is the flow's cookie. */
  readonly origin: string
}

/** A limit of what a port sends: a meter of the switch. */
export interface Meter {
  /** Device of the port; its OpenFlow number is the meter's. */
  readonly port: string
  readonly kbitPerSecond: number
  readonly burstKbit: number
}

/** What a bridge's pipeline should be. Frames of a port with a meter pass the meter in the flows of
 *  table 0 that name the port. */
export interface Pipeline {
  readonly bridge: string
  /** Lists that belong together; one that did not change is the same list as before. */
  readonly lists: readonly (readonly Flow[])[]
  readonly meters: readonly Meter[]
}
