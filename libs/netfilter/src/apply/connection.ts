import {
  type AddressRange,
  linkLocalOfMac,
  parseAddress,
  parseCidr,
  rangeHolds,
} from '@purlin/base'
import type { Packet } from '../packet.ts'
import type { Direction, FilteredNic } from '../policy/desired.ts'
import { DIRECTION_MASK, markClass } from '../target/names.ts'

/** A connection as connection tracking knows it: the zone of the NIC that saw it and the packet it
 *  began with. Where a machine speaks to another of this host, each of the two NICs has an entry
 *  of its own. */
export interface TrackedConnection {
  readonly zone: number
  readonly original: Packet
  /** The mark of its first packet, which says which list let it begin; 0 where none did. */
  readonly mark: number
}

/** Which of a NIC's lists let the connection begin: the machine's own first packet was outbound,
 *  anybody else's inbound. Its mark says so; without one (it began before the NIC had groups) the
 *  addresses do. Pure. */
export function directionOf(nic: FilteredNic, { original, mark }: TrackedConnection): Direction {
  const direction = (mark & DIRECTION_MASK) >>> 0
  if (direction === markClass.outbound) return 'outbound'
  if (direction === markClass.inbound) return 'inbound'
  const { family, source, destination } = original
  const holds = (ranges: readonly AddressRange[], value: bigint): boolean =>
    ranges.some((range) => rangeHolds(range, { family, value }))
  const { own, allowed } = rangesOf(nic)
  if (holds(own, source)) return 'outbound'
  if (holds(own, destination)) return 'inbound'
  return holds(allowed, source) ? 'outbound' : 'inbound'
}

interface NicRanges {
  readonly own: readonly AddressRange[]
  readonly allowed: readonly AddressRange[]
}

const known = new WeakMap<FilteredNic, NicRanges>()

function rangesOf(nic: FilteredNic): NicRanges {
  const found = known.get(nic)
  if (found !== undefined) return found
  const { family, value } = linkLocalOfMac(nic.mac)
  const own = [...nic.ipv4, ...nic.ipv6].flatMap(rangeOf)
  const ranges = {
    own: [...own, { family, first: value, last: value }],
    allowed: nic.allowedAddresses.flatMap(rangeOf),
  }
  known.set(nic, ranges)
  return ranges
}

/** The addresses of a text, none where it is a MAC. */
function rangeOf(text: string): readonly AddressRange[] {
  const address = parseAddress(text)
  if (address === undefined) {
    const cidr = parseCidr(text)
    return cidr === undefined ? [] : [cidr]
  }
  const { family, value } = address
  return [{ family, first: value, last: value }]
}
