import type { NetfilterDesired } from '@purlin/netfilter'
import { devicesOf } from '@purlin/schema'
import type { Catalogue } from '@purlin/service'
import { portGroupsServed, routersDesired, type VswitchDesired } from '@purlin/vswitch'
import { arrivesAt, everyNic, runsOn, standsOn } from './local-nics.ts'
import { directFlows, isolationDesired, mirrorsDesired, pathOf } from './port-traffic.ts'
import { routerGrounds } from './routers.ts'
import { switchesDesired } from './switches.ts'

/** What the switches, port groups and ports of a host should be. A port group that is served here
 *  answers for its NICs on every host. `policy` is what filters this host's NICs: direct ports have
 *  it as flows; `arrived` are ports that have come to it of late. Pure. */
export function vswitchDesired(
  catalogue: Catalogue,
  host?: string,
  policy?: NetfilterDesired,
  arrived: ReadonlySet<string> = new Set(),
): VswitchDesired {
  const every = everyNic(catalogue)
  const nics = every.filter((nic) => standsOn(nic, host))
  const mirrors = mirrorsDesired(catalogue, nics)
  const isolation = isolationDesired(catalogue, every)
  const flows = policy && directFlows(catalogue, nics, policy, host, arrived)
  const grounds = host === undefined ? undefined : routerGrounds(catalogue, host)
  const served = grounds && portGroupsServed(grounds)
  const mtuOf = (switchName: string): number =>
    catalogue.get('DistributedSwitch', switchName)?.manifest.spec.mtu ?? 1500
  return {
    ...(host !== undefined && { host }),
    switches: switchesDesired(catalogue, every, host),
    portGroups: catalogue.list('PortGroup').map(({ manifest: { name, spec } }) => {
      const members = every.filter(({ nic }) => nic.portGroup === name)
      return {
        name,
        switch: spec.switch,
        vlan: spec.vlan,
        mtu: mtuOf(spec.switch),
        subnets: spec.subnets.map(({ cidr, gateway, dhcp, slaac }) => ({
          cidr,
          ...(gateway !== undefined && { gateway }),
          ...(dhcp !== undefined && { dhcp }),
          ...(slaac !== undefined && { slaac }),
        })),
        ...(spec.dns !== undefined && { dns: spec.dns }),
        ...(spec.pxe !== undefined && { pxe: spec.pxe }),
        reservations: members.map(({ machine, nic, port }) => ({
          hostName:
            machine.spec.nics[0]?.name === nic.name ? machine.name : `${machine.name}-${nic.name}`,
          mac: port.spec.mac,
          ipv4: port.spec.ipv4,
          ipv6: port.spec.ipv6,
        })),
        served: served?.has(name) ?? nics.some(({ nic }) => nic.portGroup === name),
      }
    }),
    ...(mirrors.length > 0 && { mirrors }),
    ...(isolation.length > 0 && { isolation }),
    ...(flows !== undefined && { directFlows: flows }),
    ...(grounds && { routers: routersDesired(grounds) }),
    ports: nics.flatMap((local) => {
      const { nic, port } = local
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
          ...(pathOf(local, catalogue) === 'direct' && { path: 'direct' as const }),
          ...(group.qos !== undefined && { qos: group.qos }),
          ...(group.isolated === true && { isolated: true }),
          ...(!runsOn(local.machine, host) && arrivesAt(port, host) && { arriving: true }),
        },
      ]
    }),
  }
}
