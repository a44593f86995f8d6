import { type AddressFamily, addressBits, parseAddress, parseCidr } from '@purlin/base'
import { protocolNumbers } from '../policy/protocol.ts'
import type { FieldMatch } from './flow.ts'
import type { Masked } from './masks.ts'

/** EtherType of the frames that a NIC may send. */
export const etherTypes = { ipv4: 0x0800, arp: 0x0806, rarp: 0x8035, ipv6: 0x86dd } as const

/** Bits of `ct_state` (ovs-fields). */
export const connectionBits = {
  new: 0x01,
  established: 0x02,
  related: 0x04,
  reply: 0x08,
  invalid: 0x10,
  tracked: 0x20,
} as const

/** Bits of `tcp_flags`. */
export const tcpBits = { fin: 0x001, syn: 0x002, rst: 0x004, ack: 0x010 } as const

export function etherType(type: keyof typeof etherTypes): FieldMatch {
  return { field: 'dl_type', value: BigInt(etherTypes[type]) }
}

/** A transport protocol of a family; the family's EtherType stands before it. */
export function protocolOf(family: AddressFamily, protocol: number): readonly FieldMatch[] {
  return [etherType(family), { field: 'nw_proto', value: BigInt(protocol) }]
}

/** ICMP messages of a type. */
export function icmp(type: number): readonly FieldMatch[] {
  const message: FieldMatch = { field: 'icmp_type', value: BigInt(type) }
  return [...protocolOf('ipv4', protocolNumbers.icmp), message]
}

/** ICMPv6 messages of a type. */
export function icmpv6(type: number): readonly FieldMatch[] {
  const message: FieldMatch = { field: 'icmp_type', value: BigInt(type) }
  return [...protocolOf('ipv6', protocolNumbers.icmpv6), message]
}

/** UDP of a family between two ports; either may be any. */
export function udp(
  family: AddressFamily,
  sourcePort: number | undefined,
  destinationPort: number | undefined,
): readonly FieldMatch[] {
  const ports: FieldMatch[] = []
  if (sourcePort !== undefined) ports.push({ field: 'tp_src', value: BigInt(sourcePort) })
  if (destinationPort !== undefined) ports.push({ field: 'tp_dst', value: BigInt(destinationPort) })
  return [...protocolOf(family, protocolNumbers.udp), ...ports]
}

/** Connection tracking says so; each name with whether it must be set. */
export function connection(
  wanted: Partial<Record<keyof typeof connectionBits, boolean>>,
): FieldMatch {
  return flags('ct_state', connectionBits, wanted)
}

/** TCP flags that must be set or not. */
export function tcpFlags(wanted: Partial<Record<keyof typeof tcpBits, boolean>>): FieldMatch {
  return flags('tcp_flags', tcpBits, wanted)
}

function flags(
  field: 'ct_state' | 'tcp_flags',
  bits: Readonly<Record<string, number>>,
  wanted: Readonly<Record<string, boolean | undefined>>,
): FieldMatch {
  let value = 0
  let mask = 0
  for (const [name, set] of Object.entries(wanted)) {
    mask |= bits[name] ?? 0
    if (set === true) value |= bits[name] ?? 0
  }
  return { field, value: BigInt(value), mask: BigInt(mask) }
}

/** A MAC as a number. */
export function macValue(mac: string): bigint {
  return BigInt(`0x${mac.replaceAll(':', '')}`)
}

/** A condition on an address field by a mask; none where the mask is empty. */
export function masked(
  field: FieldMatch['field'],
  { value, mask }: Masked,
  bits: number,
): readonly FieldMatch[] {
  if (mask === 0n) return []
  return mask === (1n << BigInt(bits)) - 1n ? [{ field, value }] : [{ field, value, mask }]
}

/** An address or a network as its family and mask; undefined where the text is neither. */
export function networkOf(text: string): (Masked & { family: AddressFamily }) | undefined {
  const network = parseCidr(text)
  if (network !== undefined) {
    const bits = BigInt(addressBits(network.family))
    const mask = ((1n << bits) - 1n) & ~(network.last - network.first)
    return { family: network.family, value: network.first, mask }
  }
  const address = parseAddress(text)
  if (address === undefined) return undefined
  const mask = (1n << BigInt(addressBits(address.family))) - 1n
  return { family: address.family, value: address.value, mask }
}
