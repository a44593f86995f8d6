import { formatAddress, parseAddress } from '@purlin/base'
import type { Field, KeyType, Value, ValueRange } from './statement.ts'

/** How a value stands in the kernel's registers and sets. */
export interface ValueForm {
  readonly kind: 'number' | 'ipv4' | 'ipv6' | 'mac' | 'name'
  readonly length: number
  /** Host order: numbers that the kernel itself makes, such as marks. */
  readonly order: 'host' | 'network'
  /** nft's number of the data type, by which it shows elements. */
  readonly dataType: number
}

const host = (length: number, dataType: number): ValueForm => {
  return { kind: 'number', length, order: 'host', dataType }
}
const network = (length: number, dataType: number): ValueForm => {
  return { kind: 'number', length, order: 'network', dataType }
}

const forms = {
  nf_proto: host(1, 2),
  ipv4_addr: { kind: 'ipv4', length: 4, order: 'network', dataType: 7 },
  ipv6_addr: { kind: 'ipv6', length: 16, order: 'network', dataType: 8 },
  ether_addr: { kind: 'mac', length: 6, order: 'network', dataType: 9 },
  ether_type: network(2, 10),
  inet_proto: network(1, 12),
  inet_service: network(2, 13),
  icmp_type: network(1, 14),
  mark: host(4, 19),
  icmpv6_type: network(1, 29),
  icmp_code: network(1, 32),
  icmpv6_code: network(1, 33),
  ifname: { kind: 'name', length: 16, order: 'host', dataType: 41 },
} as const satisfies Record<KeyType, ValueForm>

/** The form of a part of a set's key. */
export function formOfKey(type: KeyType): ValueForm {
  return forms[type]
}

/** The key type of nft's number, or undefined for one that is none of ours. */
export function keyTypeOf(dataType: number): KeyType | undefined {
  return byDataType.get(dataType)
}

const byDataType = new Map(
  (Object.keys(forms) as KeyType[]).map((type) => [forms[type].dataType, type] as const),
)

const raw = network(2, 11)

const fieldForms: Readonly<Record<Field, ValueForm>> = {
  'meta mark': forms.mark,
  'meta l4proto': forms.inet_proto,
  'meta nfproto': forms.nf_proto,
  'meta protocol': forms.ether_type,
  'meta iifname': forms.ifname,
  'meta oifname': forms.ifname,
  'ct state': host(4, 26),
  'ether saddr': forms.ether_addr,
  'ether daddr': forms.ether_addr,
  'ether type': forms.ether_type,
  'arp operation': raw,
  'arp saddr ether': forms.ether_addr,
  'arp saddr ip': forms.ipv4_addr,
  'arp daddr ip': forms.ipv4_addr,
  'ip saddr': forms.ipv4_addr,
  'ip daddr': forms.ipv4_addr,
  'ip6 saddr': forms.ipv6_addr,
  'ip6 daddr': forms.ipv6_addr,
  'th sport': forms.inet_service,
  'th dport': forms.inet_service,
  'tcp flags': network(1, 15),
  'icmp type': forms.icmp_type,
  'icmp code': forms.icmp_code,
  'icmpv6 type': forms.icmpv6_type,
  'icmpv6 code': forms.icmpv6_code,
  'icmpv6 target': { ...forms.ipv6_addr, dataType: 4 },
}

/** The form of a field. */
export function formOf(field: Field): ValueForm {
  return fieldForms[field]
}

/** Writes a value in its form; the room must be zero. A name that ends with `*` is written without
 *  it. */
export function writeValue(
  value: Value,
  { kind, length, order }: ValueForm,
  into: Uint8Array,
  at: number,
): void {
  switch (kind) {
    case 'number':
      writeNumber(Number(value), length, order === 'host', into, at)
      return
    case 'ipv4':
      writeNumber(Number(value), 4, false, into, at)
      return
    case 'ipv6': {
      let rest = BigInt(value)
      const view = new DataView(into.buffer, into.byteOffset + at, 16)
      view.setBigUint64(8, rest & 0xffff_ffff_ffff_ffffn)
      rest >>= 64n
      view.setBigUint64(0, rest)
      return
    }
    case 'mac':
      for (const [index, part] of String(value).split(':').entries()) {
        into[at + index] = Number.parseInt(part, 16)
      }
      return
    case 'name': {
      const name = String(value)
      Buffer.from(into.buffer, into.byteOffset + at, length).write(
        name.endsWith('*') ? name.slice(0, -1) : name,
      )
    }
  }
}

/** A value as bytes of its form's length. */
export function bytesOf(value: Value, form: ValueForm): Uint8Array {
  const bytes = new Uint8Array(form.length)
  writeValue(value, form, bytes, 0)
  return bytes
}

/** The value that stands at a place. `order` is the form's unless said otherwise. */
export function readValue(
  bytes: Uint8Array,
  { kind, length, order }: ValueForm,
  at: number,
  ordered: ValueForm['order'] = order,
): Value {
  switch (kind) {
    case 'number':
      return readNumber(bytes, at, length, ordered === 'host')
    case 'ipv4':
      return BigInt(readNumber(bytes, at, 4, false))
    case 'ipv6': {
      const view = new DataView(bytes.buffer, bytes.byteOffset + at, length)
      return (view.getBigUint64(0) << 64n) | view.getBigUint64(8)
    }
    case 'mac':
      return [...bytes.subarray(at, at + 6)].map(octet).join(':')
    case 'name': {
      const end = bytes.indexOf(0, at)
      const stop = end < 0 || end > at + length ? at + length : end
      return Buffer.from(bytes.subarray(at, stop)).toString('utf8')
    }
  }
}

/** The value after (1) or before (-1) in order; only numbers and addresses have one. */
export function neighbour(value: Value, step: 1 | -1): Value {
  if (typeof value === 'bigint') return value + BigInt(step)
  return typeof value === 'number' ? value + step : value
}

/** Whether the value is the highest of its form. */
export function isHighest(value: Value, { length }: ValueForm): boolean {
  if (typeof value === 'number') return value === 2 ** (length * 8) - 1
  return typeof value === 'bigint' && value === (1n << BigInt(length * 8)) - 1n
}

/** The highest value of a form. */
export function highestValue({ kind, length }: ValueForm): Value {
  const value = (1n << BigInt(length * 8)) - 1n
  return kind === 'number' ? Number(value) : value
}

/** The length of the network that a range of addresses is, or undefined where it is none, a single
 *  address, or every address. */
export function prefixLength({ first, last }: ValueRange, form: ValueForm): number | undefined {
  if (typeof first !== 'bigint' || typeof last !== 'bigint' || first === last) return undefined
  const size = last - first + 1n
  if ((size & (size - 1n)) !== 0n || first % size !== 0n) return undefined
  const length = form.length * 8 - (size.toString(2).length - 1)
  return length === 0 ? undefined : length
}

/** An address as a value. Undefined for a text that is none. */
export function addressValue(text: string): bigint | undefined {
  return parseAddress(text)?.value
}

/** An address value in its usual text. */
export function addressText(value: Value, kind: 'ipv4' | 'ipv6'): string {
  return formatAddress({ family: kind, value: BigInt(value) })
}

function octet(value: number): string {
  return value.toString(16).padStart(2, '0')
}

function writeNumber(
  value: number,
  length: number,
  little: boolean,
  into: Uint8Array,
  at: number,
): void {
  for (let index = 0; index < length; index++) {
    const place = little ? at + index : at + length - 1 - index
    into[place] = Math.floor(value / 2 ** (8 * index)) & 0xff
  }
}

function readNumber(bytes: Uint8Array, at: number, length: number, little: boolean): number {
  let value = 0
  for (let index = 0; index < length; index++) {
    const place = little ? at + length - 1 - index : at + index
    value = value * 256 + (bytes[place] ?? 0)
  }
  return value
}
