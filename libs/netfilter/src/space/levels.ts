import { type AddressFamily, addressBits } from '@purlin/base'

/** What a packet is told apart by, in the order in which diagrams ask. `state` is what conntrack
 *  says (0 new, 1 established, 2 related); `detail` the destination port, or type and code of ICMP
 *  as one number (`type << 8 | code`), or 65536 where the packet does not have those bytes. */
export const levels = [
  'state',
  'source',
  'destination',
  'protocol',
  'sourcePort',
  'detail',
] as const
export type Level = (typeof levels)[number]

/** A value at a level: bigint for addresses, else a number. */
export type LevelValue = number | bigint

/** Both ends inside. */
export interface LevelRange {
  readonly first: LevelValue
  readonly last: LevelValue
}

/** The state's number. */
export const states = { new: 0, established: 1, related: 2 } as const

/** No port, type or code in the packet. */
export const UNKNOWN = 65_536

/** The highest value at each level. */
export function lastValue(level: Level, family: AddressFamily): LevelValue {
  switch (level) {
    case 'state':
      return 2
    case 'source':
    case 'destination':
      return (1n << BigInt(addressBits(family))) - 1n
    case 'protocol':
      return 255
    case 'sourcePort':
    case 'detail':
      return UNKNOWN
  }
}

/** The lowest value at each level. */
export function firstValue(level: Level): LevelValue {
  return level === 'source' || level === 'destination' ? 0n : 0
}

/** The value behind another. */
export function following(value: LevelValue): LevelValue {
  return typeof value === 'bigint' ? value + 1n : value + 1
}

/** The value before another. */
export function preceding(value: LevelValue): LevelValue {
  return typeof value === 'bigint' ? value - 1n : value - 1
}
