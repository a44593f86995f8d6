/** By its full path: a script started through npm finds other programs of that name first. */
export const NFT_PROGRAM = '/usr/sbin/nft'

/** The two tables that are Purlin's own; no other is ever touched. */
export const TABLE_NAME = 'purlin'
export type TableFamily = 'bridge' | 'inet'
export const tableFamilies: readonly TableFamily[] = ['bridge', 'inet']

/** A counter of this name marks a table as ours: nft 1.0.6 keeps comments of tables and chains out
 *  of its JSON, but never an object. */
export const OWNER_COUNTER = 'owner-purlin'

/** Packet marks. The top byte says that the packet is of a managed NIC, whether its lists apply and
 *  in which direction it goes; the low half is the NIC's zone. */
export const markClass = {
  outbound: 0x50000000,
  inbound: 0x51000000,
  unfilteredOutbound: 0x52000000,
  unfilteredInbound: 0x53000000,
} as const
/** Of a managed NIC: `mark & MANAGED_MASK == markClass.outbound`. */
export const MANAGED_MASK = 0xfc000000
/** Of a NIC with groups. */
export const FILTERED_MASK = 0xfe000000
/** Of a NIC with groups, one direction. */
export const DIRECTION_MASK = 0xff000000
export const ZONE_MASK = 0xffff

/** A number in the form that nft shows. */
export function hexadecimal(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`
}

/** NICs whose flows may begin in the middle, for some seconds after a machine moved here. */
export const LOOSE_SET = 'loose'

/** From what a look-up says to the verdict. */
export const VERDICT_MAP = 'verdict'

/** The name of a list's chains without its variant. */
export function listStem(key: string): string {
  return `list-${key}`
}

/** The name of the chain of what passes before the lists, without its variant. */
export function openStem(key: string): string {
  return `open-${key}`
}

/** The map from a member's address to its class. */
export function classMapName(family: 'ipv4' | 'ipv6'): string {
  return `class-${family}`
}

/** The map from a class to the part of it that some lists name. */
export function viewMapName(key: string): string {
  return `view-${key}`
}

const GUARD_NAME = /^guard-(.+)-[0-9a-f]{8}_\d+$/

/** The name of a guard chain without its variant. */
export function guardStem(port: string, hash: string): string {
  return `guard-${port}-${hash}`
}

/** The port a guard chain belongs to, or undefined for a chain of another sort. */
export function portOfGuard(chain: string): string | undefined {
  return GUARD_NAME.exec(chain)?.[1]
}
