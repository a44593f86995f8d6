import type { AddressFamily } from '@purlin/base'
import type { Packet } from '../packet.ts'
import type { Direction } from './desired.ts'
import { protocolNumbers } from './protocol.ts'

/** Traffic that always passes the lists of a filtered NIC: without it a machine has no
 *  addresses. */
export type BuiltIn =
  | {
      readonly name: string
      readonly family: 'ipv6'
      readonly icmpTypes: readonly number[]
    }
  | {
      readonly name: string
      readonly family: AddressFamily
      readonly direction: Direction
      readonly sourcePort: number
      readonly destinationPort: number
    }

/** Neighbour and router discovery (RFC 4861, types 133 to 136), multicast listener discovery
 *  (RFC 2710, RFC 3810), and the two sides of a DHCP client (RFC 2131, RFC 8415). Servers' answers
 *  and router advertisements *from* a machine are stopped by its guard. */
export const builtIns: readonly BuiltIn[] = [
  { name: 'neighbour-discovery', family: 'ipv6', icmpTypes: [133, 134, 135, 136] },
  { name: 'multicast-listener', family: 'ipv6', icmpTypes: [130, 131, 132, 143] },
  {
    name: 'dhcp-request',
    family: 'ipv4',
    direction: 'outbound',
    sourcePort: 68,
    destinationPort: 67,
  },
  {
    name: 'dhcpv6-request',
    family: 'ipv6',
    direction: 'outbound',
    sourcePort: 546,
    destinationPort: 547,
  },
  {
    name: 'dhcp-answer',
    family: 'ipv4',
    direction: 'inbound',
    sourcePort: 67,
    destinationPort: 68,
  },
  {
    name: 'dhcpv6-answer',
    family: 'ipv6',
    direction: 'inbound',
    sourcePort: 547,
    destinationPort: 546,
  },
]

/** The built-in that lets the packet pass, or undefined. */
export function builtInFor(direction: Direction, packet: Packet): BuiltIn | undefined {
  return builtIns.find((one) => {
    if (one.family !== packet.family) return false
    if ('icmpTypes' in one) {
      return (
        packet.protocol === protocolNumbers.icmpv6 &&
        packet.icmp !== undefined &&
        one.icmpTypes.includes(packet.icmp.type)
      )
    }
    return (
      one.direction === direction &&
      packet.protocol === protocolNumbers.udp &&
      packet.sourcePort === one.sourcePort &&
      packet.destinationPort === one.destinationPort
    )
  })
}
