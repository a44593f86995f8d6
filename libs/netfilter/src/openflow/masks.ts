import { type AddressRange, addressBits } from '@purlin/base'
import type { PortRange } from '../policy/ranges.ts'

/** A value of which only the bits under the mask count. */
export interface Masked {
  readonly value: bigint
  readonly mask: bigint
}

const PORT_BITS = 16

/** The ports of a range as the fewest masked values; at most 30. */
export function portMasks({ first, last }: PortRange): readonly Masked[] {
  return masks(BigInt(first), BigInt(last), PORT_BITS)
}

/** The addresses of a range as the fewest networks. */
export function addressMasks({ family, first, last }: AddressRange): readonly Masked[] {
  return masks(first, last, addressBits(family))
}

/** Takes from the low end the largest aligned block that fits, until nothing is left. */
function masks(first: bigint, last: bigint, bits: number): readonly Masked[] {
  const whole = (1n << BigInt(bits)) - 1n
  const found: Masked[] = []
  for (let next = first; next <= last; ) {
    let size = next === 0n ? whole + 1n : next & -next
    while (next + size - 1n > last) size >>= 1n
    found.push({ value: next, mask: whole & ~(size - 1n) })
    next += size
  }
  return found
}
