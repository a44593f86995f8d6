import type { AddressFamily } from '@purlin/base'
import { protocolNumbers } from './policy/protocol.ts'

/** A packet, as far as a list can see it. */
export interface Packet {
  readonly family: AddressFamily
  readonly source: bigint
  readonly destination: bigint
  /** IP protocol number; with IPv6 that of the transport header. */
  readonly protocol: number
  /** Of TCP, UDP and SCTP; undefined where unknown, and then no rule with ports matches. */
  readonly sourcePort?: number | undefined
  readonly destinationPort?: number | undefined
  readonly icmp?: { readonly type: number; readonly code: number } | undefined
  /** What conntrack says; absent means new. Related: an ICMP error about a known flow. */
  readonly state?: 'new' | 'established' | 'related' | undefined
}

/** Whether packets of the protocol have ports that rules can name. */
export function hasPorts(protocol: number): boolean {
  const { tcp, udp, sctp } = protocolNumbers
  return protocol === tcp || protocol === udp || protocol === sctp
}

/** The packet of the same flow in the other direction: ends and ports swapped; an echo request
 *  becomes its reply and the reverse (RFC 792, RFC 4443). */
export function reversed(packet: Packet): Packet {
  const echo: Readonly<Record<number, number>> = { 0: 8, 8: 0, 128: 129, 129: 128 }
  return {
    ...packet,
    source: packet.destination,
    destination: packet.source,
    sourcePort: packet.destinationPort,
    destinationPort: packet.sourcePort,
    icmp: packet.icmp && { ...packet.icmp, type: echo[packet.icmp.type] ?? packet.icmp.type },
  }
}
