import { hexadecimal } from './names.ts'
import type { Field, KeyType, Value, ValueRange, Verdict } from './statement.ts'
import { addressText, formOf, formOfKey, prefixLength, type ValueForm } from './values.ts'

const protocols: Readonly<Record<number, string>> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  58: 'ipv6-icmp',
  132: 'sctp',
}
const etherTypes: Readonly<Record<number, string>> = { 2048: 'ip', 2054: 'arp', 34525: 'ip6' }
const families: Readonly<Record<number, string>> = { 2: 'ipv4', 10: 'ipv6' }
const icmpTypes: Readonly<Record<number, string>> = {
  0: 'echo-reply',
  3: 'destination-unreachable',
  5: 'redirect',
  8: 'echo-request',
  9: 'router-advertisement',
  11: 'time-exceeded',
  12: 'parameter-problem',
}
const icmpv6Types: Readonly<Record<number, string>> = {
  1: 'destination-unreachable',
  2: 'packet-too-big',
  3: 'time-exceeded',
  4: 'parameter-problem',
  128: 'echo-request',
  129: 'echo-reply',
  133: 'nd-router-solicit',
  134: 'nd-router-advert',
  135: 'nd-neighbor-solicit',
  136: 'nd-neighbor-advert',
  137: 'nd-redirect',
}
const states: Readonly<Record<number, string>> = {
  1: 'invalid',
  2: 'established',
  4: 'related',
  8: 'new',
  64: 'untracked',
}
const tcpFlags: Readonly<Record<number, string>> = {
  1: 'fin',
  2: 'syn',
  4: 'rst',
  8: 'psh',
  16: 'ack',
}

const typeOfField: Readonly<Partial<Record<Field, KeyType>>> = {
  'meta mark': 'mark',
  'meta l4proto': 'inet_proto',
  'meta nfproto': 'nf_proto',
  'meta protocol': 'ether_type',
  'meta iifname': 'ifname',
  'meta oifname': 'ifname',
  'ether type': 'ether_type',
  'ip saddr': 'ipv4_addr',
  'ip daddr': 'ipv4_addr',
  'arp saddr ip': 'ipv4_addr',
  'arp daddr ip': 'ipv4_addr',
  'ip6 saddr': 'ipv6_addr',
  'ip6 daddr': 'ipv6_addr',
  'icmp type': 'icmp_type',
  'icmpv6 type': 'icmpv6_type',
}

/** A field's value as nft shows it. */
export function fieldValueText(field: Field, value: Value): string {
  if (field === 'ct state') return bitsText(Number(value), states, ',')
  if (field === 'tcp flags') return bitsText(Number(value), tcpFlags, ' | ')
  if (field === 'icmpv6 target') return `0x${BigInt(value).toString(16).padStart(32, '0')}`
  const type = typeOfField[field]
  return type === undefined ? String(value) : valueText(type, value)
}

/** A value of a key type as nft shows it. */
export function valueText(type: KeyType, value: Value): string {
  switch (type) {
    case 'mark':
      return hexadecimal(Number(value))
    case 'ifname':
      return `"${value}"`
    case 'ipv4_addr':
      return addressText(value, 'ipv4')
    case 'ipv6_addr':
      return addressText(value, 'ipv6')
    case 'inet_proto':
      return named(protocols, value)
    case 'nf_proto':
      return named(families, value)
    case 'ether_type':
      return etherTypes[Number(value)] ?? `0x${Number(value).toString(16).padStart(4, '0')}`
    case 'icmp_type':
      return named(icmpTypes, value)
    case 'icmpv6_type':
      return named(icmpv6Types, value)
    default:
      return String(value)
  }
}

/** `FIRST`, `FIRST-LAST`, or a network where the range is one. */
function rangeText(
  { first, last }: ValueRange,
  text: (value: Value) => string,
  form: ValueForm,
): string {
  if (first === last) return text(first)
  const length = prefixLength({ first, last }, form)
  return length === undefined ? `${text(first)}-${text(last)}` : `${text(first)}/${length}`
}

/** A range of a field's values as nft shows it. */
export function fieldRangeText(field: Field, range: ValueRange): string {
  const text = (value: Value): string => fieldValueText(field, value)
  // A network is only written of addresses, and of raw bytes there are none.
  if (field === 'icmpv6 target' && range.first !== range.last) {
    return `${text(range.first)}-${text(range.last)}`
  }
  return rangeText(range, text, formOf(field))
}

/** A range of a key type's values as nft shows it. */
export function keyRangeText(type: KeyType, range: ValueRange): string {
  return rangeText(range, (value) => valueText(type, value), formOfKey(type))
}

export function verdictText(verdict: Verdict): string {
  return 'chain' in verdict ? `${verdict.verdict} ${verdict.chain}` : verdict.verdict
}

function named(names: Readonly<Record<number, string>>, value: Value): string {
  return names[Number(value)] ?? String(value)
}

function bitsText(value: number, names: Readonly<Record<number, string>>, between: string): string {
  const found = Object.entries(names).filter(([bit]) => (value & Number(bit)) !== 0)
  return found.length === 0 ? String(value) : found.map(([, name]) => name).join(between)
}
