import { shortHash } from '@purlin/base'

/** A field of a packet, or of what the pipeline notes about it, with how it is written. */
export type FieldName =
  | 'in_port'
  | 'vlan_vid'
  | 'dl_src'
  | 'dl_dst'
  | 'dl_type'
  | 'arp_spa'
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
  | 'tcp_flags'
  | 'ct_state'
  | 'conj_id'
  | Register

/** What the pipeline knows of a packet on its way: the network (VLAN) it is in, the conntrack zone
 *  of the NIC whose list is asked (also the NIC's number), that list, and whether it goes without
 *  connection tracking. */
export type Register = 'reg5' | 'reg6' | 'reg7' | 'reg8'
export const registers = {
  network: 'reg5',
  zone: 'reg6',
  list: 'reg7',
  untracked: 'reg8',
} as const satisfies Record<string, Register>

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
  | { readonly do: 'output'; readonly port: SwitchPortName }
  /** Carries out actions on a copy. */
  | { readonly do: 'copy'; readonly actions: readonly FlowAction[] }

/** A port of the switch: its OpenFlow number, or its name where that is not known yet. */
export type SwitchPortName = number | string

/** One OpenFlow flow. Of the flows of a table that match, the one of the highest priority counts.
 *  */
export interface Flow {
  readonly table: number
  /** 0 to 65535. */
  readonly priority: number
  readonly match: readonly FieldMatch[]
  readonly actions: readonly FlowAction[]
  /** Where it comes from: `web/inbound/0`, `guard/mac`. Its hash is the flow's cookie. */
  readonly origin: string
}

/** The tables of the pipeline. A frame goes through `outbound` for the NIC that sent it, and
 *  through `inbound` for each NIC that is to have it. */
export const tables = {
  source: 0,
  guardMac: 1,
  guardFrame: 2,
  guardNeighbour: 3,
  outbound: { entry: 10, state: 11, list: 12, commit: 13 },
  destination: 20,
  inbound: { entry: 30, state: 31, list: 32, commit: 33 },
  deliver: 40,
} as const

/** The cookie of all flows of one origin, as `0x` and 16 digits: what `ofproto/trace` and
 *  `dump-flows` show. The first byte is never zero, which would be no cookie. */
export function cookieOf(origin: string): string {
  return `0x70${shortHash(`flow ${origin}`, 14)}`
}

export const go = (table: number): FlowAction => ({ do: 'go', table })
export const drop: readonly FlowAction[] = [{ do: 'drop' }]

/** A condition on a register. */
export function noted(register: keyof typeof registers, value: number): FieldMatch {
  return { field: registers[register], value: BigInt(value) }
}

/** An action that notes something in a register. */
export function note(register: keyof typeof registers, value: number): FlowAction {
  return { do: 'set', register: registers[register], value }
}
