import { devicesOf } from '@purlin/schema'
import type { VswitchDesired } from '@purlin/vswitch'
import type { Catalogue } from '../resources/catalogue.ts'
import { localNics } from './local-nics.ts'

/** What the switches, port groups and ports of this host should be. Pure. */
export function vswitchDesired(catalogue: Catalogue): VswitchDesired {
  const nics = localNics(catalogue)
  const mtuOf = (switchName: string): number =>
    catalogue.get('DistributedSwitch', switchName)?.manifest.spec.mtu ?? 1500
  return {
    switches: catalogue.list('DistributedSwitch').map(({ manifest }) => ({
      name: manifest.name,
      mtu: manifest.spec.mtu,
      uplinks: manifest.spec.uplinks,
    })),
    portGroups: catalogue.list('PortGroup').map(({ manifest: { name, spec } }) => {
      const members = nics.filter(({ nic }) => nic.portGroup === name)
      return {
        name,
        switch: spec.switch,
        vlan: spec.vlan,
        mtu: mtuOf(spec.switch),
        subnets: spec.subnets.map(({ cidr, gateway, dhcp }) => ({
          cidr,
          ...(gateway !== undefined && { gateway }),
          ...(dhcp !== undefined && { dhcp }),
        })),
        ...(spec.dns !== undefined && { dns: spec.dns }),
        reservations: members.map(({ machine, nic, port }) => ({
          hostName:
            machine.spec.nics[0]?.name === nic.name ? machine.name : `${machine.name}-${nic.name}`,
          mac: port.spec.mac,
          ipv4: port.spec.ipv4,
          ipv6: port.spec.ipv6,
        })),
        served: members.length > 0,
      }
    }),
    ports: nics.flatMap(({ nic, port }) => {
      const group = catalogue.get('PortGroup', nic.portGroup)?.manifest.spec
      if (group === undefined) return []
      return [
        {
          port: port.name,
          portGroup: nic.portGroup,
          switch: group.switch,
          vlan: group.vlan,
          trunk: group.trunk ?? [],
          mac: port.spec.mac,
          mtu: mtuOf(group.switch),
          devices: devicesOf(port.spec.deviceKey),
        },
      ]
    }),
  }
}
