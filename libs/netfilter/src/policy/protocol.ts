import type { AddressFamily } from '@purlin/base'
import type { InboundRule } from '@purlin/schema'

/** Numbers of the Internet protocol registry (IANA). */
export const protocolNumbers = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 } as const

/** The IP protocol that a rule names; `icmp` follows the family. A number means the protocol of
 *  that number, so `6` and `tcp` are the same rule. */
export function protocolNumber(
  protocol: InboundRule['protocol'],
  family: AddressFamily,
): number | 'all' {
  if (protocol === 'all' || typeof protocol === 'number') return protocol
  if (protocol === 'icmp') return family === 'ipv4' ? protocolNumbers.icmp : protocolNumbers.icmpv6
  return protocolNumbers[protocol]
}

/** A protocol's usual word, else its number. */
export function protocolWord(protocol: number): string {
  const known = Object.entries(protocolNumbers).find(([, value]) => value === protocol)
  return known?.[0] ?? String(protocol)
}
