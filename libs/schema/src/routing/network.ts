import { formatAddress, parseAddress, parseCidr, rangeHolds } from '@purlin/base'
import type { Manifest } from '../resources/kinds.ts'
import type { PortGroupSpec } from '../resources/port-group.ts'

/** The resources by which packets find their way. */
export interface RoutedNetwork {
  readonly routers: readonly Manifest<'Router'>[]
  readonly portGroups: ReadonlyMap<string, PortGroupSpec>
  readonly nics: readonly NetworkNic[]
}

/** A NIC as far as the way to it goes. */
export interface NetworkNic {
  /** `MACHINE.NIC`. */
  readonly port: string
  readonly portGroup: string
  readonly ipv4: readonly string[]
  readonly ipv6: readonly string[]
  /** Where its machine runs; absent: not known, or nowhere. */
  readonly host?: string
}

/** Whether a network holds an address. Pure. */
export function cidrHolds(cidr: string, text: string): boolean {
  const network = parseCidr(cidr)
  const address = parseAddress(text)
  return network !== undefined && address !== undefined && rangeHolds(network, address)
}

/** The shortest usual text of an address, by which addresses are compared. Pure. */
export function plainAddress(text: string): string {
  const address = parseAddress(text)
  return address === undefined ? text : formatAddress(address)
}

/** The subnet of a port group that holds the address. Pure. */
export function subnetOf(
  group: PortGroupSpec | undefined,
  address: string,
): PortGroupSpec['subnets'][number] | undefined {
  return group?.subnets.find(({ cidr }) => cidrHolds(cidr, address))
}

/** The first address of a NIC that is of the family of another address. Pure. */
export function addressLike(nic: NetworkNic | undefined, like: string): string | undefined {
  const family = parseAddress(like)?.family
  return family === undefined ? undefined : nic?.[family][0]
}
