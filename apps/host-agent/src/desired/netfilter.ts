import type { FilteredNic, NetfilterDesired } from '@purlin/netfilter'
import { devicesOf } from '@purlin/schema'
import type { Catalogue } from '../resources/catalogue.ts'
import { localNics } from './local-nics.ts'

/** What the filter of this host should be. Pure. */
export function netfilterDesired(catalogue: Catalogue): NetfilterDesired {
  const nics = localNics(catalogue)
  const groups = catalogue.list('SecurityGroup').map(({ manifest }) => manifest)
  return {
    nics: nics.map(({ port, nic }): FilteredNic => {
      const devices = devicesOf(port.spec.deviceKey)
      return {
        port: port.name,
        tap: devices.tap,
        inner: devices.inner,
        zone: port.spec.conntrackZone,
        mac: port.spec.mac,
        ipv4: port.spec.ipv4,
        ipv6: port.spec.ipv6,
        groups: nic.securityGroups,
        defaultPolicy: nic.defaultPolicy,
      }
    }),
    groups: new Map(groups.map(({ name, spec }) => [name, spec])),
    members: new Map(
      groups.map(({ name }) => [
        name,
        nics
          .filter(({ nic }) => nic.securityGroups.includes(name))
          .map(({ port }) => ({ ipv4: port.spec.ipv4, ipv6: port.spec.ipv6 })),
      ]),
    ),
  }
}
