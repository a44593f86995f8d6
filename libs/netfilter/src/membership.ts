import { type AddressFamily, parseAddress } from '@purlin/base'
import type { MemberAddresses, NetfilterDesired } from './policy/desired.ts'

/** The addresses of the groups' members as numbers. */
export interface Membership {
  /** Every address of every member of the group; empty for a group without members. */
  addressesOf(group: string, family: AddressFamily): ReadonlySet<bigint>
}

const EMPTY: ReadonlySet<bigint> = new Set()
const cache = new WeakMap<NetfilterDesired['members'], Membership>()

/** Reads the members once per value of `members`, each group only when it is asked for. */
export function membershipOf(members: NetfilterDesired['members']): Membership {
  const known = cache.get(members)
  if (known !== undefined) return known
  const read = new Map<string, ReadonlySet<bigint>>()
  const membership: Membership = {
    addressesOf: (group, family) => {
      const key = `${family}/${group}`
      const found = read.get(key)
      if (found !== undefined) return found
      const addresses = addressSet(members.get(group), family)
      read.set(key, addresses)
      return addresses
    },
  }
  cache.set(members, membership)
  return membership
}

function addressSet(
  members: readonly MemberAddresses[] | undefined,
  family: AddressFamily,
): ReadonlySet<bigint> {
  if (members === undefined) return EMPTY
  const values = members.flatMap((member) => member[family]).map((text) => parseAddress(text))
  return new Set(values.flatMap((address) => (address === undefined ? [] : [address.value])))
}
