import { type AddressFamily, parseAddress } from '@purlin/base'
import type { MemberAddresses, NetfilterDesired } from './policy/desired.ts'

/** The addresses of the groups' members as numbers. */
export interface Membership {
  /** Every address of every member of the group; empty for a group without members. */
  addressesOf(group: string, family: AddressFamily): ReadonlySet<bigint>
}

const EMPTY: ReadonlySet<bigint> = new Set()
const memberships = new WeakMap<NetfilterDesired['members'], Membership>()
const groups = new WeakMap<readonly MemberAddresses[], Map<AddressFamily, ReadonlySet<bigint>>>()

/** Reads the members once per value of `members`, each group only when it is asked for. A group
 *  whose members are the same value as before is not read again. */
export function membershipOf(members: NetfilterDesired['members']): Membership {
  const known = memberships.get(members)
  if (known !== undefined) return known
  const membership: Membership = {
    addressesOf: (group, family) => {
      const own = members.get(group)
      return own === undefined ? EMPTY : addressSet(own, family)
    },
  }
  memberships.set(members, membership)
  return membership
}

function addressSet(
  members: readonly MemberAddresses[],
  family: AddressFamily,
): ReadonlySet<bigint> {
  const known = groups.get(members) ?? new Map<AddressFamily, ReadonlySet<bigint>>()
  groups.set(members, known)
  const found = known.get(family)
  if (found !== undefined) return found
  const values = members.flatMap((member) => member[family]).map((text) => parseAddress(text))
  const addresses = new Set(values.flatMap((one) => (one === undefined ? [] : [one.value])))
  known.set(family, addresses)
  return addresses
}
