import { parseAddress } from '@purlin/base'
import { type SpecOf, vlanName } from '@purlin/schema'

type NetworkSpec = SpecOf<'DeploymentTemplate'>['network']
type BondSpec = NetworkSpec['bonds'][number]

/** One interface of the installed system with all that stands on it. NICs are known by their MAC
 *  alone: a kernel's name changes with a card. */
export interface Link {
  readonly name: string
  readonly on:
    | { readonly kind: 'nic'; readonly mac: string }
    | { readonly kind: 'bond'; readonly bond: BondSpec }
    | { readonly kind: 'vlan'; readonly id: number; readonly parent: string }
  readonly mtu?: number
  /** VLAN interfaces on top. */
  readonly vlans: readonly string[]
  readonly dhcp: boolean
  readonly addresses: readonly { readonly cidr: string; readonly gateway?: string }[]
  readonly routes: NetworkSpec['routes']
  readonly dns: readonly string[]
  readonly searchDomains: readonly string[]
}

/** The links of a template, lower ones first. A template that says nothing of its network gets DHCP
 *  on the NIC that it was installed through. Pure. */
export function linksOf(network: NetworkSpec, bootMac: string): readonly Link[] {
  const said = network.nics.length + network.bonds.length
  if (said === 0) {
    const on = { kind: 'nic', mac: bootMac } as const
    const { dns, searchDomains } = network
    return [
      { name: 'boot', on, vlans: [], dhcp: true, addresses: [], routes: [], dns, searchDomains },
    ]
  }
  const bare = [
    ...network.nics.map(({ name, mac, mtu }) => ({
      name,
      mtu,
      on: { kind: 'nic', mac } as const,
    })),
    ...network.bonds.map((bond) => ({
      name: bond.name,
      mtu: bond.mtu,
      on: { kind: 'bond', bond } as const,
    })),
    ...network.vlans.map((vlan) => ({
      name: vlanName(vlan),
      mtu: vlan.mtu,
      on: { kind: 'vlan', id: vlan.id, parent: vlan.parent } as const,
    })),
  ]
  return bare.map(({ name, mtu, on }): Link => {
    const mine = network.addresses.filter((address) => address.interface === name)
    return {
      name,
      on,
      ...(mtu !== undefined && { mtu }),
      vlans: network.vlans.filter(({ parent }) => parent === name).map(vlanName),
      dhcp: mine.some(({ dhcp }) => dhcp === true),
      addresses: mine.flatMap(({ cidr, gateway }) =>
        cidr === undefined ? [] : [{ cidr, ...(gateway !== undefined && { gateway }) }],
      ),
      routes: network.routes.filter((route) => route.interface === name),
      ...(mine.length > 0
        ? { dns: network.dns, searchDomains: network.searchDomains }
        : { dns: [], searchDomains: [] }),
    }
  })
}

/** Whether a text `ADDRESS` or `ADDRESS/LENGTH` is of IPv6. */
export function isIpv6(text: string): boolean {
  return parseAddress(text.split('/')[0] ?? '')?.family === 'ipv6'
}

/** A file of the installed system. */
export interface SystemFile {
  readonly path: string
  readonly mode: string
  readonly content: string
}
