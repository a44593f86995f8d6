import type { FieldMatch, FieldName } from '../flows/flow.ts'
import type { Writer } from './writer.ts'

/** Class, field and size of each field (OpenFlow 1.4 section 7.2.3.7; class 1 is Open vSwitch's
 *  own, ovs-fields(7)). */
interface FieldCode {
  readonly oxmClass: number
  readonly field: number
  readonly sizeBytes: number
}

const basic = (field: number, sizeBytes: number): FieldCode => ({
  oxmClass: 0x8000,
  field,
  sizeBytes,
})
const own = (field: number, sizeBytes: number): FieldCode => ({ oxmClass: 1, field, sizeBytes })

const codes: Readonly<Record<FieldName, FieldCode>> = {
  in_port: basic(0, 4),
  dl_dst: basic(3, 6),
  dl_src: basic(4, 6),
  dl_type: basic(5, 2),
  vlan_vid: basic(6, 2),
  nw_proto: basic(10, 1),
  nw_src: basic(11, 4),
  nw_dst: basic(12, 4),
  tp_src: basic(13, 2),
  tp_dst: basic(14, 2),
  icmp_type: basic(19, 1),
  icmp_code: basic(20, 1),
  arp_op: basic(21, 2),
  arp_spa: basic(22, 4),
  arp_tpa: basic(23, 4),
  arp_sha: basic(24, 6),
  ipv6_src: basic(26, 16),
  ipv6_dst: basic(27, 16),
  nd_target: basic(31, 16),
  nd_sll: basic(32, 6),
  nd_tll: basic(33, 6),
  tun_id: basic(38, 8),
  tcp_flags: own(34, 2),
  conj_id: own(37, 4),
  ct_state: own(105, 4),
  reg5: own(5, 4),
  reg6: own(6, 4),
  reg7: own(7, 4),
  reg8: own(8, 4),
}

const PROTOCOL = { icmp: 1, tcp: 6, udp: 17, sctp: 132, icmpv6: 58 } as const
/** What the ports of each transport are called: source and destination. */
const transportPorts: Readonly<Record<number, readonly [number, number]>> = {
  [PROTOCOL.tcp]: [13, 14],
  [PROTOCOL.udp]: [15, 16],
  [PROTOCOL.sctp]: [17, 18],
}

/** What a field needs to be said before it: the switch reads them in order and refuses a port of
 *  no protocol. */
const rankOf = (field: FieldName): number =>
  field === 'dl_type' ? 0 : field === 'nw_proto' ? 1 : 2

/** Writes the match of a flow, padded. Errors: RangeError for a port that is still a name. */
export function writeMatch(writer: Writer, match: readonly FieldMatch[]): void {
  const start = writer.length
  writer.u16(1).u16(0)
  const protocol = match.find(({ field }) => field === 'nw_proto')?.value
  const ordered = match.toSorted((a, b) => rankOf(a.field) - rankOf(b.field))
  for (const one of ordered) writeField(writer, one, Number(protocol ?? 0))
  writer.setU16(start + 2, writer.length - start)
  writer.padFrom(start)
}

/** Writes one field with its value, as matches and set-field actions have it. */
export function writeField(writer: Writer, one: FieldMatch, protocol = 0): void {
  const { value, mask } = one
  if (typeof value === 'string') throw new RangeError(`${one.field} is still a name: ${value}`)
  const { oxmClass, sizeBytes } = codes[one.field]
  const isMasked = mask !== undefined
  const length = isMasked ? sizeBytes * 2 : sizeBytes
  writer
    .u16(oxmClass)
    .u8((fieldNumber(one.field, protocol) << 1) | (isMasked ? 1 : 0))
    .u8(length)
    .number(isMasked ? value & mask : value, sizeBytes)
  if (isMasked) writer.number(mask, sizeBytes)
}

/** The header of a whole field, as actions refer to it. */
export function fieldHeader(field: FieldName): number {
  const { oxmClass, field: number, sizeBytes } = codes[field]
  return ((oxmClass << 16) | (number << 9) | sizeBytes) >>> 0
}

function fieldNumber(field: FieldName, protocol: number): number {
  const ports = transportPorts[protocol]
  if (field === 'tp_src' && ports !== undefined) return ports[0]
  if (field === 'tp_dst' && ports !== undefined) return ports[1]
  if (protocol === PROTOCOL.icmpv6) {
    if (field === 'icmp_type') return 29
    if (field === 'icmp_code') return 30
  }
  return codes[field].field
}
