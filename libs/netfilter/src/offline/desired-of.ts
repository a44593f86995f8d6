import { formatAddress, linkLocalOfMac, parseAddress } from '@purlin/base'
import {
  gatewayMac,
  type Manifest,
  nicWithDefaults,
  type PortGroupSpec,
  type PortSpec,
  type VirtualMachineNic,
} from '@purlin/schema'
import type { NetfilterDesired } from '../policy/desired.ts'
import {
  type FilterDefaults,
  filterDefaults,
  filteredNicOf,
  type NicNetwork,
} from '../policy/filtered-nic.ts'

/** A machine's NIC with the port it was given. */
export interface PluggedNic {
  readonly nic: VirtualMachineNic
  readonly port: { readonly name: string; readonly spec: PortSpec }
}

/** The resources that the filter of a host follows from. */
export interface FilterResources {
  readonly nics: readonly PluggedNic[]
  readonly groups: readonly Manifest<'SecurityGroup'>[]
  readonly portGroup: (name: string) => PortGroupSpec | undefined
}

/** What the filter of a host should be. The agent and the command line both ask here, so that what
 *  is told without an agent is what an agent does. Pure. */
export function netfilterDesiredOf(
  { nics: plugged, groups, portGroup }: FilterResources,
  defaults: FilterDefaults = filterDefaults,
): NetfilterDesired {
  const nics = plugged.map(({ nic, port }) => ({
    nic: nicWithDefaults(nic, portGroup(nic.portGroup)),
    port,
  }))
  return {
    nics: nics.map(({ port, nic }) => {
      const network = networkOf(nic.portGroup, portGroup(nic.portGroup))
      return filteredNicOf(port.name, port.spec, nic, network, defaults)
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

/** What of a port group filters go by. Its own servers are its gateways, and the link-local
 *  address of their device, from which router advertisements and DHCPv6 come. */
function networkOf(name: string, spec: PortGroupSpec | undefined): NicNetwork {
  const subnets = spec?.subnets ?? []
  const gateways = subnets.flatMap(({ gateway }) => (gateway === undefined ? [] : [gateway]))
  const mac = gatewayMac(name)
  const speaksIpv6 = gateways.some((gateway) => parseAddress(gateway)?.family === 'ipv6')
  const linkLocal = speaksIpv6 ? [formatAddress(linkLocalOfMac(mac))] : []
  return {
    servers: [...gateways, ...linkLocal].map((address) => ({ mac, address })),
    trunk: spec?.trunk !== undefined,
  }
}
