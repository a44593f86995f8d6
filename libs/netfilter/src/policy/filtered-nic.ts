import {
  type AlwaysOpen,
  devicesOf,
  type NicGuards,
  type PortSpec,
  type VirtualMachineNic,
} from '@purlin/schema'
import type { FilterAction, FilteredNic, NicServer } from './desired.ts'

/** What holds for NICs that do not say otherwise. */
export interface FilterDefaults {
  readonly inbound: FilterAction
  readonly outbound: FilterAction
  /** What a NIC without groups lets through. */
  readonly withoutGroups: FilterAction
}

/** Closed to what comes, open to what goes, and no filter where no group is named. */
export const filterDefaults: FilterDefaults = {
  inbound: 'deny',
  outbound: 'allow',
  withoutGroups: 'allow',
}

/** What of its port group a NIC's filter goes by. */
export interface NicNetwork {
  readonly servers: readonly NicServer[]
  readonly trunk: boolean
}

/** A NIC as its filter sees it: its resource, the port it was given, its port group and what the
 *  installation says. Pure. */
export function filteredNicOf(
  name: string,
  port: PortSpec,
  nic: VirtualMachineNic,
  { servers, trunk }: NicNetwork,
  defaults: FilterDefaults = filterDefaults,
): FilteredNic {
  const { tap, inner } = devicesOf(port.deviceKey)
  const { securityGroups: groups, defaultPolicy } = nic
  const closed = (defaultPolicy.withoutGroups ?? defaults.withoutGroups) === 'deny'
  const filtered = (groups.length > 0 || closed) && !trunk
  return {
    port: name,
    tap,
    inner,
    zone: port.conntrackZone,
    mac: port.mac,
    ipv4: port.ipv4,
    ipv6: port.ipv6,
    groups,
    filtered,
    defaultPolicy:
      groups.length === 0 && closed
        ? { inbound: 'deny', outbound: 'deny' }
        : {
            inbound: defaultPolicy.inbound ?? defaults.inbound,
            outbound: defaultPolicy.outbound ?? defaults.outbound,
          },
    guards: nic.guards,
    alwaysOpen: nic.alwaysOpen,
    allowedAddresses: nic.allowedAddresses,
    servers,
    trunk,
  }
}

/** Every guard in place, as a NIC has them that does not say otherwise. */
export const allGuards: NicGuards = {
  mac: true,
  ipv4Source: true,
  ipv6Source: true,
  arp: true,
  neighbourAdvertisement: true,
  router: true,
  dhcpServer: true,
}

/** Everything that passes by itself, as on a NIC that does not say otherwise. */
export const allOpen: AlwaysOpen = {
  dhcpRequests: true,
  dhcpAnswers: true,
  routerAdvertisements: true,
  neighbourDiscovery: true,
  icmpErrors: true,
}
