import { parseAddress, parseCidr, rangeHolds } from '@purlin/base'
import { gatewayMac, serviceDevice } from '@purlin/schema'
import type { PortGroupDesired } from '../desired.ts'
import { configurationOf } from './configuration.ts'
import { nameFiles, reservationFiles } from './reservation.ts'

/** The device of the service inside its namespace. */
export const INSIDE_DEVICE = 'eth0'

/** Where services keep their files and who they run as. */
export interface ServiceSettings {
  /** Absolute; a folder of its own for each served port group is made in it. */
  readonly runFolder: string
  /** The user dnsmasq becomes after it has opened its sockets. */
  readonly serviceUser: string
}

/** What answers for a port group on this host: a network namespace with the gateway's addresses,
 *  and dnsmasq in it where addresses or names are served. */
export interface ServiceDesired {
  readonly portGroup: string
  readonly switch: string
  readonly vlan: number
  readonly mtu: number
  /** The host's end of its cable, a port of the switch. */
  readonly device: string
  /** The same on every host and after every restart, so that machines need not learn it anew. */
  readonly mac: string
  /** `ADDRESS/LENGTH` of each gateway. */
  readonly addresses: readonly string[]
  /** The gateways of subnets whose addresses are leased. */
  readonly leasing: readonly string[]
  /** dnsmasq's configuration; undefined where neither addresses nor names are served. */
  readonly configuration: string | undefined
  /** UDP ports that dnsmasq listens on when it is ready. */
  readonly sockets: readonly number[]
  /** Files of dnsmasq's reservations, by name. */
  readonly reservations: ReadonlyMap<string, string>
  /** Files of its host names, by name. */
  readonly names: ReadonlyMap<string, string>
}

/** The folder of a port group's service. */
export function serviceFolder(runFolder: string, portGroup: string): string {
  return `${runFolder}/port-groups/${portGroup}`
}

/** What this host must run for the port group; undefined where it serves nothing: it has no port
 *  here or no subnet of it has a gateway. Pure. */
export function serviceOf(
  group: PortGroupDesired,
  settings: ServiceSettings,
): ServiceDesired | undefined {
  const answered = group.subnets.filter((subnet) => subnet.gateway !== undefined)
  if (!group.served || answered.length === 0) return undefined
  const leasing = answered.filter((subnet) => subnet.dhcp !== undefined)
  const subnets = answered.filter(({ dhcp, slaac }) => dhcp !== undefined || slaac === true)
  const families = new Set(leasing.map((subnet) => parseCidr(subnet.cidr)?.family))
  const sockets = [
    ...(group.dns === undefined ? [] : [53]),
    ...(families.has('ipv4') ? [67] : []),
    ...(families.has('ipv6') ? [547] : []),
  ]
  const leased = (text: string): boolean => {
    const address = parseAddress(text)
    return leasing.some((subnet) => {
      const network = parseCidr(subnet.cidr)
      return address !== undefined && network !== undefined && rangeHolds(network, address)
    })
  }
  return {
    portGroup: group.name,
    switch: group.switch,
    vlan: group.vlan,
    mtu: group.mtu,
    device: serviceDevice(group.name),
    mac: gatewayMac(group.name),
    addresses: answered.map(
      (subnet) => `${subnet.gateway}/${parseCidr(subnet.cidr)?.prefixLength ?? 0}`,
    ),
    leasing: leasing.map(({ gateway = '' }) => gateway),
    configuration:
      sockets.length + subnets.length === 0
        ? undefined
        : configurationOf({
            folder: serviceFolder(settings.runFolder, group.name),
            user: settings.serviceUser,
            device: INSIDE_DEVICE,
            mtu: group.mtu,
            subnets,
            dns: group.dns,
            pxe: group.pxe,
          }),
    sockets,
    reservations: reservationFiles(group.reservations, leased),
    names: nameFiles(group.reservations, group.dns?.domain),
  }
}
