import { isIPv4, isIPv6 } from 'node:net'

export type AddressFamily = 'ipv4' | 'ipv6'

/** An address as a number: 32 bits of IPv4 or 128 bits of IPv6. */
export interface IpAddress {
  readonly family: AddressFamily
  readonly value: bigint
}

/** A run of addresses of one family, both ends inside. */
export interface AddressRange {
  readonly family: AddressFamily
  readonly first: bigint
  readonly last: bigint
}

/** A network in CIDR notation (RFC 4632). */
export interface Cidr extends AddressRange {
  readonly prefixLength: number
}

/** Bits of an address of the family. */
export function addressBits(family: AddressFamily): number {
  return family === 'ipv4' ? 32 : 128
}

/** Reads a plain address; no zone, no leading zeros in IPv4. Undefined where the text is none. */
export function parseAddress(text: string): IpAddress | undefined {
  if (isIPv4(text)) {
    const value = text.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n)
    return { family: 'ipv4', value }
  }
  if (!isIPv6(text) || text.includes('%')) return undefined
  return { family: 'ipv6', value: ipv6Value(text) }
}

/** Reads `ADDRESS/LENGTH`. Undefined where the text is no network; bits behind the prefix are kept
 *  out. */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text)
  const address = match?.[1] === undefined ? undefined : parseAddress(match[1])
  const prefixLength = Number(match?.[2])
  if (address === undefined || prefixLength > addressBits(address.family)) return undefined
  const hostBits = BigInt(addressBits(address.family) - prefixLength)
  const first = (address.value >> hostBits) << hostBits
  const last = first | ((1n << hostBits) - 1n)
  return { family: address.family, first, last, prefixLength }
}

/** The shortest usual text of an address (RFC 5952 for IPv6). */
export function formatAddress({ family, value }: IpAddress): string {
  if (family === 'ipv4') {
    return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.')
  }
  const groups = Array.from({ length: 8 }, (_, index) =>
    Number((value >> BigInt(112 - 16 * index)) & 0xffffn),
  )
  const run = longestZeroRun(groups)
  const texts = groups.map((group) => group.toString(16))
  if (run.length < 2) return texts.join(':')
  const head = texts.slice(0, run.start).join(':')
  const tail = texts.slice(run.start + run.length).join(':')
  return `${head}::${tail}`
}

/** `ADDRESS/LENGTH` of a network. */
export function formatCidr(cidr: Cidr): string {
  return `${formatAddress({ family: cidr.family, value: cidr.first })}/${cidr.prefixLength}`
}

/** Whether the range holds the address. */
export function rangeHolds(range: AddressRange, address: IpAddress): boolean {
  return (
    range.family === address.family && range.first <= address.value && address.value <= range.last
  )
}

/** The link-local address that a NIC makes of its MAC (modified EUI-64, RFC 4291 appendix A). */
export function linkLocalOfMac(mac: string): IpAddress {
  const bytes = mac.split(':').map((part) => BigInt(Number.parseInt(part, 16)))
  const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = bytes
  const interfaceId = [a ^ 2n, b, c, 0xffn, 0xfen, d, e, f].reduce((sum, x) => (sum << 8n) | x, 0n)
  return { family: 'ipv6', value: (0xfe80n << 112n) | interfaceId }
}

function ipv6Value(text: string): bigint {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  let plain = text
  if (dotted?.[1] !== undefined && dotted[2] !== undefined) {
    const low = parseAddress(dotted[2])?.value ?? 0n
    plain = `${dotted[1]}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`
  }
  const [head = '', tail] = plain.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length
  const groups = [...left, ...Array.from({ length: zeros }, () => '0'), ...right]
  return groups.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n)
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let start = 0
  for (let index = 0; index <= groups.length; index++) {
    if (index < groups.length && groups[index] === 0) continue
    if (index - start > best.length) best = { start, length: index - start }
    start = index + 1
  }
  return best
}
