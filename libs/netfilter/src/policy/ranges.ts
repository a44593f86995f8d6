import { type AddressFamily, type AddressRange, addressBits } from '@purlin/base'

/** A run of ports, both ends inside. */
export interface PortRange {
  readonly first: number
  readonly last: number
}

/** The same addresses as few disjoint ranges in order; ranges that touch become one. The kernel's
 *  interval sets refuse overlapping elements, so every list goes through here first. */
export function mergeAddressRanges(ranges: readonly AddressRange[]): readonly AddressRange[] {
  const merged: AddressRange[] = []
  for (const range of ranges.toSorted((a, b) => (a.first < b.first ? -1 : 1))) {
    const last = merged.at(-1)
    if (last === undefined || last.last + 1n < range.first) merged.push(range)
    else if (last.last < range.last) merged[merged.length - 1] = { ...last, last: range.last }
  }
  return merged.map(({ family, first, last }) => ({ family, first, last }))
}

/** The same ports as few disjoint ranges in order. */
export function mergePortRanges(ranges: readonly PortRange[]): readonly PortRange[] {
  const merged: PortRange[] = []
  for (const range of ranges.toSorted((a, b) => a.first - b.first)) {
    const last = merged.at(-1)
    if (last === undefined || last.last + 1 < range.first) merged.push(range)
    else if (last.last < range.last) merged[merged.length - 1] = { ...last, last: range.last }
  }
  return merged
}

/** Whether the range is every address of its family. */
export function isWholeFamily(range: AddressRange): boolean {
  return range.first === 0n && range.last === lastAddress(range.family)
}

/** The highest address of a family. */
export function lastAddress(family: AddressFamily): bigint {
  return (1n << BigInt(addressBits(family))) - 1n
}
