import { addressBits, parseAddress, parseCidr } from '@purlin/base'
import {
  cidrHolds,
  type Manifest,
  type PortForward,
  type PortGroupSpec,
  plainAddress,
  portsOf,
  type RouterSpec,
  routerMac,
} from '@purlin/schema'
import type {
  ExternalDesired,
  FloatingDesired,
  ForwardDesired,
  LegDesired,
  RouterDesired,
  SteeredDesired,
} from './desired.ts'

/** A NIC of any host, as far as routers go. */
export interface RoutedNic {
  /** `MACHINE.NIC`. */
  readonly port: string
  readonly portGroup: string
  readonly mac: string
  readonly ipv4: readonly string[]
  readonly ipv6: readonly string[]
  /** Where its machine runs; absent: nowhere. */
  readonly host?: string
}

/** What the routers of a host follow from. */
export interface RouterGrounds {
  readonly host: string
  readonly routers: readonly Manifest<'Router'>[]
  readonly portGroup: (name: string) => PortGroupSpec | undefined
  /** MTU of a switch, bytes. */
  readonly mtuOf: (switchName: string) => number
  readonly nics: readonly RoutedNic[]
  /** Port groups of machines that are about to come to this host. */
  readonly arriving?: readonly string[]
}

/** The port groups that a host must answer for: those with a machine here, and what a router joins
 *  to them, because packets for those leave the router here. Pure. */
export function portGroupsServed(grounds: RouterGrounds): ReadonlySet<string> {
  const here = grounds.nics.filter((nic) => nic.host === grounds.host)
  const own = new Set([...here.map(({ portGroup }) => portGroup), ...(grounds.arriving ?? [])])
  const joined = grounds.routers
    .filter(({ spec }) => spec.portGroups.some((name) => own.has(name)))
    .flatMap(({ spec }) => spec.portGroups)
  return new Set([...own, ...joined])
}

/** The routers of this host: those that join a port group with a machine here. Pure. */
export function routersDesired(grounds: RouterGrounds): readonly RouterDesired[] {
  const served = portGroupsServed(grounds)
  return grounds.routers
    .filter(({ spec }) => spec.portGroups.some((name) => served.has(name)))
    .map(({ name, spec }) => {
      const external = externalOf(name, spec, grounds)
      const leading = external === undefined ? nothingLeads : leadingTo(spec, grounds)
      return {
        name,
        legs: spec.portGroups.flatMap((portGroup) => legOf(portGroup, spec, grounds)),
        ...(external !== undefined && { external }),
        ...leading,
      }
    })
}

const nothingLeads = { floating: [], forwards: [], answered: [], steered: [] }

function legOf(name: string, spec: RouterSpec, grounds: RouterGrounds): readonly LegDesired[] {
  const group = grounds.portGroup(name)
  const subnets = (group?.subnets ?? []).flatMap(({ cidr, gateway }) =>
    gateway === undefined ? [] : [{ cidr, gateway }],
  )
  // Nothing answers in a port group without a gateway, so there is nowhere to route from.
  if (group === undefined || subnets.length === 0) return []
  const cidrs = subnets.map(({ cidr }) => cidr)
  return [
    {
      portGroup: name,
      mtu: grounds.mtuOf(group.switch),
      subnets,
      neighbours: grounds.nics
        .filter(({ portGroup }) => portGroup === name)
        .flatMap(({ mac, ipv4, ipv6 }) =>
          [...ipv4, ...ipv6]
            .filter((address) => cidrs.some((cidr) => cidrHolds(cidr, address)))
            .map((address) => ({ address: plainAddress(address), mac })),
        ),
      routes: spec.routes.filter(({ via }) => cidrs.some((cidr) => cidrHolds(cidr, via))),
    },
  ]
}

function externalOf(
  router: string,
  spec: RouterSpec,
  grounds: RouterGrounds,
): ExternalDesired | undefined {
  const group = spec.external && grounds.portGroup(spec.external.portGroup)
  if (spec.external === undefined || group === undefined) return undefined
  const { portGroup, nextHops, hosts, snat } = spec.external
  const cidrs = group.subnets.map(({ cidr }) => cidr)
  const own = hosts.find(({ host }) => host === grounds.host)?.addresses ?? []
  return {
    portGroup,
    switch: group.switch,
    vlan: group.vlan,
    mtu: grounds.mtuOf(group.switch),
    mac: routerMac(router, grounds.host),
    addresses: own.map((address) => `${address}/${lengthFor(cidrs, address)}`),
    nextHops,
    routes: spec.routes.filter(({ via }) => cidrs.some((cidr) => cidrHolds(cidr, via))),
    snat,
  }
}

/** The external addresses that lead to machines. A floating address is answered by its machine's
 *  host. The wire knows one owner of an address, so all forwards of one are answered by the
 *  host of the first machine among them that runs; it steers what is for machines elsewhere to
 *  their hosts, untranslated, and those translate and answer by themselves. */
function leadingTo(
  spec: RouterSpec,
  grounds: RouterGrounds,
): Pick<RouterDesired, 'floating' | 'forwards' | 'answered' | 'steered'> {
  const nics = new Map(
    grounds.nics
      .filter(({ portGroup }) => spec.portGroups.includes(portGroup))
      .map((nic) => [nic.port, nic]),
  )
  const insideOf = (port: string, like: string): string | undefined => {
    const family = parseAddress(like)?.family
    return family === undefined ? undefined : nics.get(port)?.[family][0]
  }
  const hostOf = (port: string): string | undefined => nics.get(port)?.host
  const ownerOf = (address: string): string | undefined =>
    spec.portForwards
      .filter((one) => plainAddress(one.address) === plainAddress(address))
      .map((one) => hostOf(one.to))
      .find((host) => host !== undefined)
  const floating = spec.floatingAddresses.flatMap(({ address, to }): FloatingDesired[] => {
    const inside = hostOf(to) === grounds.host ? insideOf(to, address) : undefined
    return inside === undefined
      ? []
      : [{ address: plainAddress(address), to: plainAddress(inside) }]
  })
  const owned = spec.portForwards.filter((one) => ownerOf(one.address) === grounds.host)
  return {
    floating,
    forwards: spec.portForwards.flatMap((one): ForwardDesired[] => {
      const inside = hostOf(one.to) === grounds.host ? insideOf(one.to, one.address) : undefined
      if (inside === undefined) return []
      const toPort = one.toPort === undefined ? {} : { toPort: one.toPort }
      return [{ ...forwarded(one), to: plainAddress(inside), ...toPort }]
    }),
    answered: [...new Set([...floating, ...owned].map(({ address }) => plainAddress(address)))],
    steered: owned.flatMap((one): SteeredDesired[] => {
      const host = hostOf(one.to)
      const family = parseAddress(one.address)?.family
      const via = spec.external?.hosts
        .find((listed) => listed.host === host)
        ?.addresses.find((address) => parseAddress(address)?.family === family)
      if (host === grounds.host || via === undefined) return []
      return [{ ...forwarded(one), via: plainAddress(via) }]
    }),
  }
}

function forwarded(
  one: PortForward,
): Pick<ForwardDesired, 'address' | 'protocol' | 'first' | 'last'> {
  return { address: plainAddress(one.address), protocol: one.protocol, ...portsOf(one.ports) }
}

function lengthFor(cidrs: readonly string[], address: string): number {
  const found = cidrs.find((cidr) => cidrHolds(cidr, address))
  const family = parseAddress(address)?.family ?? 'ipv4'
  return parseCidr(found ?? '')?.prefixLength ?? addressBits(family)
}
