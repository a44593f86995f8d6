import {
  type AddressRange,
  formatAddress,
  linkLocalOfMac,
  parseAddress,
  parseCidr,
} from '@purlin/base'
import type { FilteredNic } from '../policy/desired.ts'
import { mergeAddressRanges } from '../policy/ranges.ts'
import { usualText } from '../policy/usual-text.ts'
import type { CompiledNic } from './ruleset.ts'

type Ends = Pick<CompiledNic, 'lists' | 'opens'>
type Own = Omit<CompiledNic, keyof Ends>

const known = new WeakMap<FilteredNic, CompiledNic>()

/** A NIC as its guard and its dispatch need it. The same value as before where nothing changed.
 *  Pure. */
export function compileNic(nic: FilteredNic, ends: Ends): CompiledNic {
  const before = known.get(nic)
  if (before !== undefined && sameEnds(before, ends)) return before
  const made = { ...(before ?? ownOf(nic)), ...ends }
  known.set(nic, made)
  return made
}

function sameEnds(one: Ends, other: Ends): boolean {
  return (
    one.lists?.inbound === other.lists?.inbound &&
    one.lists?.outbound === other.lists?.outbound &&
    one.opens?.inbound === other.opens?.inbound &&
    one.opens?.outbound === other.opens?.outbound
  )
}

/** Whether two values of a NIC say the same, so that one may stand for the other. */
export function sameNic(one: FilteredNic, other: FilteredNic): boolean {
  if (one === other) return true
  const keys = Object.keys(one) as (keyof FilteredNic)[]
  return keys.every((key) => {
    if (one[key] === other[key]) return true
    return typeof one[key] === 'object' && JSON.stringify(one[key]) === JSON.stringify(other[key])
  })
}

function ownOf(nic: FilteredNic): Own {
  const { port, tap, inner, zone, mac, guards, allowedAddresses } = nic
  return {
    port,
    tap,
    inner,
    zone,
    mac,
    ipv4: nic.ipv4.map(usualText),
    ipv6: [...new Set([formatAddress(linkLocalOfMac(mac)), ...nic.ipv6.map(usualText)])],
    guards,
    allowedMacs: allowedAddresses.filter(isMac).map((text) => text.toLowerCase()),
    allowedRanges: allowedRanges(allowedAddresses),
  }
}

/** Whether an entry of `allowedAddresses` is a MAC. */
export function isMac(text: string): boolean {
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)
}

/** An address or network as a range; undefined where the text is neither. */
export function allowedRange(text: string): AddressRange | undefined {
  const address = parseAddress(text)
  if (address === undefined) return parseCidr(text)
  return { family: address.family, first: address.value, last: address.value }
}

function allowedRanges(texts: readonly string[]): readonly AddressRange[] {
  const ranges = texts.map(allowedRange).filter((range) => range !== undefined)
  return (['ipv4', 'ipv6'] as const).flatMap((family) =>
    mergeAddressRanges(ranges.filter((range) => range.family === family)),
  )
}
