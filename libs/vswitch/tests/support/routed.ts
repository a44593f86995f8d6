import { devicesOf, kinds, type Manifest, type PortGroupSpec } from '@purlin/schema'
import {
  type PortGroupDesired,
  portGroupsServed,
  type RoutedNic,
  type RouterGrounds,
  routersDesired,
  type SwitchDesired,
  type VswitchDesired,
} from '../../src/index.ts'
import { keyOf, macOf } from './scenario.ts'

function group(vlan: number, subnets: readonly object[], more: object = {}): PortGroupSpec {
  const spec = { switch: 'dvs0', vlan, subnets, ...more }
  return kinds.PortGroup.manifest.parse({ kind: 'PortGroup', name: 'any', spec }).spec
}

/** Port groups of the routed network. */
export const groups: Readonly<Record<string, PortGroupSpec>> = {
  web: group(
    100,
    [
      {
        cidr: '10.1.0.0/24',
        gateway: '10.1.0.1',
        dhcp: { from: '10.1.0.50', to: '10.1.0.99' },
      },
      {
        cidr: 'fd01::/64',
        gateway: 'fd01::1',
        dhcp: { from: 'fd01::50', to: 'fd01::99' },
      },
    ],
    { dns: { domain: 'web.example', forwarders: ['198.51.100.7'] } },
  ),
  db: group(200, [
    { cidr: '10.2.0.0/24', gateway: '10.2.0.1' },
    { cidr: 'fd02::/64', gateway: 'fd02::1' },
  ]),
  public: group(400, [{ cidr: '192.0.2.0/24' }, { cidr: '2001:db8::/64' }]),
}

/** A machine: its number is in its MAC, device key and addresses. */
export interface Placed {
  readonly number: number
  readonly portGroup: string
  readonly host?: string
}

/** Name of a machine's port. */
export function portNameOf(number: number): string {
  return `vm-${number}.eth0`
}

/** The first addresses of a machine, IPv4 then IPv6. */
export function addressesOf({ number, portGroup }: Placed): readonly [string, string] {
  const net = portGroup === 'web' ? 1 : 2
  if (portGroup === 'public') return [`192.0.2.${number}`, `2001:db8::${number}`]
  return [`10.${net}.0.${number}`, `fd0${net}::${number}`]
}

/** The router between them. */
export function routerOf(spec: object): Manifest<'Router'> {
  return kinds.Router.manifest.parse({ kind: 'Router', name: 'edge', spec })
}

/** What a host should be that runs some of the machines. */
export function routedHost(
  host: string,
  machines: readonly Placed[],
  routers: readonly Manifest<'Router'>[],
  dvs: SwitchDesired,
): VswitchDesired {
  const nics = machines.map((machine): RoutedNic => {
    const [ipv4, ipv6] = addressesOf(machine)
    return {
      port: portNameOf(machine.number),
      portGroup: machine.portGroup,
      mac: macOf(machine.number),
      ipv4: [ipv4],
      ipv6: [ipv6],
      ...(machine.host !== undefined && { host: machine.host }),
    }
  })
  const grounds: RouterGrounds = {
    host,
    routers,
    portGroup: (name) => groups[name],
    mtuOf: () => 1500,
    nics,
  }
  const served = portGroupsServed(grounds)
  return {
    switches: [dvs],
    portGroups: Object.entries(groups).map(([name, spec]): PortGroupDesired => {
      const members = nics.filter(({ portGroup }) => portGroup === name)
      return {
        name,
        switch: spec.switch,
        vlan: spec.vlan,
        mtu: 1500,
        subnets: spec.subnets.map(({ cidr, gateway, dhcp }) => ({
          cidr,
          ...(gateway !== undefined && { gateway }),
          ...(dhcp !== undefined && { dhcp }),
        })),
        ...(spec.dns !== undefined && { dns: spec.dns }),
        reservations: members.map(({ port, mac, ipv4, ipv6 }) => ({
          hostName: port.slice(0, port.indexOf('.')),
          mac,
          ipv4,
          ipv6,
        })),
        served: served.has(name),
      }
    }),
    ports: machines
      .filter((machine) => machine.host === host)
      .map(({ number, portGroup }) => ({
        port: portNameOf(number),
        portGroup,
        switch: 'dvs0',
        vlan: groups[portGroup]?.vlan ?? 0,
        trunk: [],
        mac: macOf(number),
        mtu: 1500,
        devices: devicesOf(keyOf(number)),
      })),
    routers: routersDesired(grounds),
  }
}
