import { parseAddress } from '@purlin/base'
import type { PacketQuestion } from '../api/explain.ts'
import { portsOf } from '../fields/addresses.ts'
import type { Manifest } from '../resources/kinds.ts'
import {
  addressLike,
  cidrHolds,
  type NetworkNic,
  plainAddress,
  type RoutedNetwork,
} from './network.ts'

/** One place on a packet's way. */
export interface PathHop {
  readonly by: 'switch' | 'gateway' | 'router' | 'translation' | 'outside'
  readonly sentence: string
}

/** How a packet gets from one end to the other. */
export interface RoutePath {
  /** unknown: an end is no NIC, address or network that is known here. */
  readonly reached: 'yes' | 'no' | 'unknown'
  readonly hops: readonly PathHop[]
  /** The packet as the receiver sees it, where a router translates: from an address, since no list
   *  of the sender sees it so. */
  readonly received?: PacketQuestion
}

/** An end of a question: a NIC, or an address that no NIC has. */
export interface PathEnd {
  readonly nic?: NetworkNic
  readonly address: string
}

/** Finds the way of a packet: within a port group, from one to another by a router, out of the
 *  fleet, or in by a floating address or a forwarded port. Its rules are not asked here: that is
 *  for the lists at both ends. Pure. */
export function routePath(network: RoutedNetwork, question: PacketQuestion): RoutePath {
  const ends = pathEnds(network, question)
  if (ends === undefined) return { reached: 'unknown', hops: [] }
  const { from, to } = ends
  if (from.nic !== undefined && to.nic !== undefined && oneNetwork(network, from.nic, to.nic)) {
    const where = `port group ${to.nic.portGroup}`
    return {
      reached: 'yes',
      hops: [{ by: 'switch', sentence: `both are in the network of ${where}` }],
    }
  }
  const translated = inward(network, question, from, to)
  if (translated !== undefined) return translated
  if (from.nic !== undefined && to.nic !== undefined) {
    return between(network, question, from.nic, { ...to, nic: to.nic })
  }
  if (from.nic !== undefined) return outward(network, from.nic, to)
  if (to.nic !== undefined) return fromOutside(network, from, to.nic)
  return { reached: 'unknown', hops: [] }
}

/** Both ends of a question; undefined where one is neither a NIC nor an address. Pure. */
export function pathEnds(
  network: RoutedNetwork,
  question: PacketQuestion,
): { readonly from: PathEnd; readonly to: PathEnd } | undefined {
  const family = familyOf(question)
  const from = endOf(network, question.from, family)
  const to = endOf(network, question.to, family)
  return from === undefined || to === undefined ? undefined : { from, to }
}

/** A sentence of the whole way, for people; empty where nothing is known of it. Pure. */
export function pathSentence({ hops }: RoutePath): string {
  return hops.map(({ sentence }) => sentence).join('; ')
}

/** To an external address of a router: a floating one, or a forwarded port. */
function inward(
  { routers, nics }: RoutedNetwork,
  question: PacketQuestion,
  from: PathEnd,
  to: PathEnd,
): RoutePath | undefined {
  const wanted = plainAddress(to.address)
  for (const router of routers) {
    const { external, floatingAddresses, portForwards } = router.spec
    const floating = floatingAddresses.find((one) => plainAddress(one.address) === wanted)
    const forward = portForwards.find((one) => {
      const { first, last } = portsOf(one.ports)
      const port = question.destinationPort
      return (
        plainAddress(one.address) === wanted &&
        question.protocol === one.protocol &&
        port !== undefined &&
        first <= port &&
        port <= last
      )
    })
    const owned = portForwards.some((one) => plainAddress(one.address) === wanted)
    const host = external?.hosts.find(({ addresses }) =>
      addresses.some((address) => plainAddress(address) === wanted),
    )
    if (floating === undefined && forward === undefined) {
      if (!owned && host === undefined) continue
      const refusal = `router ${router.name} forwards nothing of ${to.address} that fits`
      return { reached: 'no', hops: [{ by: 'router', sentence: refusal }] }
    }
    const nic = nics.find(({ port }) => port === (floating ?? forward)?.to)
    const inside = addressLike(nic, to.address)
    if (nic === undefined || inside === undefined) continue
    const toPort = floating === undefined ? forward?.toPort : undefined
    const where = nic.host === undefined ? 'the host of its machine' : `host ${nic.host}`
    const port = toPort === undefined ? '' : ` port ${toPort}`
    const sort = floating === undefined ? 'forwards' : 'has the floating address, which leads'
    const translation: PathHop = {
      by: 'translation',
      sentence: `router ${router.name} on ${where} ${sort} to ${shown(nic)} (${inside}${port})`,
    }
    const source = seenAs(routers, router, from, nic, plainAddress(to.address))
    const seen: PathHop[] =
      source === undefined || source === from.address
        ? []
        : [{ by: 'translation', sentence: `the sender is seen as ${source} there` }]
    return {
      reached: source === undefined ? 'unknown' : 'yes',
      hops: [translation, ...seen, gatewayHop(nic)],
      received: {
        ...question,
        from: source ?? to.address,
        to: nic.port,
        ...(toPort !== undefined && { destinationPort: toPort }),
      },
    }
  }
  return undefined
}

/** Under which address the receiver of a translated packet sees its sender: a machine never under
 *  its own, so that the answer comes back by the router. */
function seenAs(
  routers: readonly Manifest<'Router'>[],
  router: Manifest<'Router'>,
  from: PathEnd,
  to: NetworkNic,
  external: string,
): string | undefined {
  if (from.nic === undefined) return from.address
  const { portGroup, host } = from.nic
  // A machine of the external network itself is outside.
  if (portGroup === router.spec.external?.portGroup) return from.address
  const own = routers.find((one) => sidesOf(one).has(portGroup))
  if (own === router && host === to.host) return external
  return own === undefined ? undefined : leavesUnder(own, from.nic, external)
}

/** Whether frames of one reach the other by the switch alone. Pure. */
export function oneNetwork(
  { portGroups }: RoutedNetwork,
  one: NetworkNic,
  other: NetworkNic,
): boolean {
  const [first, second] = [portGroups.get(one.portGroup), portGroups.get(other.portGroup)]
  if (one.portGroup === other.portGroup) return true
  return first !== undefined && first.switch === second?.switch && first.vlan === second.vlan
}

function between(
  network: RoutedNetwork,
  question: PacketQuestion,
  from: NetworkNic,
  to: PathEnd & { readonly nic: NetworkNic },
): RoutePath {
  const target = to.nic.portGroup
  const router = network.routers.find((one) => {
    const sides = sidesOf(one)
    return sides.has(from.portGroup) && sides.has(target)
  })
  if (router !== undefined) {
    const hops = [gatewayHop(from), routerHop(router, from), gatewayHop(to.nic)]
    return { reached: 'yes', hops }
  }
  // Machines of an external network are outside for the router, whoever runs them.
  const leads = (one: Manifest<'Router'>, inside: string, outside: string): boolean =>
    sidesOf(one).has(inside) && one.spec.external?.portGroup === outside
  const out = network.routers.find((one) => leads(one, from.portGroup, target))
  if (out !== undefined) {
    const path = outward(network, from, to)
    const source = out.spec.external?.snat === true ? leavesUnder(out, from, to.address) : undefined
    if (source === undefined) return path
    return { ...path, received: { ...question, from: source, to: to.nic.port } }
  }
  if (network.routers.some((one) => leads(one, target, from.portGroup))) {
    return fromOutside(network, { address: from.ipv4[0] ?? from.port }, to.nic)
  }
  return closed(network, from, `no router joins port groups ${from.portGroup} and ${target}`)
}

/** Where the gateway is ours, what it does not lead to is not reached. Where it is somebody else's,
 *  or none, or where there is no router at all, that is for others to know. */
function closed(
  { routers, portGroups }: RoutedNetwork,
  from: NetworkNic,
  sentence: string,
): RoutePath {
  const subnets = portGroups.get(from.portGroup)?.subnets ?? []
  const isOurs = routers.length > 0 && subnets.some(({ gateway }) => gateway !== undefined)
  return { reached: isOurs ? 'no' : 'unknown', hops: [{ by: 'router', sentence }] }
}

function outward(network: RoutedNetwork, from: NetworkNic, to: PathEnd): RoutePath {
  const { routers, portGroups } = network
  const own = portGroups.get(from.portGroup)
  if (own?.subnets.some(({ cidr }) => cidrHolds(cidr, to.address)) === true) {
    const sentence = `${to.address} is in port group ${from.portGroup}, of no NIC that is known`
    return { reached: 'unknown', hops: [{ by: 'switch', sentence }] }
  }
  const router = routers.find((one) => sidesOf(one).has(from.portGroup))
  if (router === undefined) {
    // Without any router nothing is known of the world outside, so the lists alone are told.
    if (routers.length === 0) return { reached: 'unknown', hops: [] }
    return closed(
      network,
      from,
      `no router joins port group ${from.portGroup}, so nothing leaves it`,
    )
  }
  const { external, routes, portGroups: joined } = router.spec
  const hops = [gatewayHop(from), routerHop(router, from)]
  const side = joined.find((name) =>
    portGroups.get(name)?.subnets.some(({ cidr }) => cidrHolds(cidr, to.address)),
  )
  if (side !== undefined) {
    const sentence = `${to.address} is in port group ${side}, of no NIC that is known`
    return { reached: 'unknown', hops: [...hops, { by: 'gateway', sentence }] }
  }
  const route = routes.find((one) => cidrHolds(one.to, to.address))
  const family = parseAddress(to.address)?.family
  const nextHop = external?.nextHops.find((via) => parseAddress(via)?.family === family)
  const via = route?.via ?? nextHop
  if (via === undefined) {
    const sentence = `router ${router.name} has no way to ${to.address}`
    return { reached: 'no', hops: [...hops, { by: 'router', sentence }] }
  }
  const isInside = joined.some((name) =>
    portGroups.get(name)?.subnets.some(({ cidr }) => cidrHolds(cidr, via)),
  )
  const last: PathHop = { by: 'outside', sentence: `it goes on by ${via}` }
  if (isInside || external?.snat === false) return { reached: 'yes', hops: [...hops, last] }
  const source = leavesUnder(router, from, to.address)
  if (source === undefined) {
    const where = from.host === undefined ? 'its host' : `host ${from.host}`
    const sentence = `${where} has no external address of router ${router.name} to leave under`
    return { reached: 'no', hops: [...hops, { by: 'translation', sentence }] }
  }
  const translation: PathHop = { by: 'translation', sentence: `it leaves as ${source}` }
  return { reached: 'yes', hops: [...hops, translation, last] }
}

function fromOutside({ routers }: RoutedNetwork, from: PathEnd, to: NetworkNic): RoutePath {
  const router = routers.find((one) => sidesOf(one).has(to.portGroup))
  if (router?.spec.external === undefined) return { reached: 'unknown', hops: [] }
  if (!router.spec.external.snat) {
    return { reached: 'yes', hops: [routerHop(router, to), gatewayHop(to)] }
  }
  const sentence = `router ${router.name} lets ${from.address} in only by floating addresses and forwards`
  return { reached: 'no', hops: [{ by: 'router', sentence }] }
}

/** The address under which a machine is seen outside. */
function leavesUnder(
  { spec }: Manifest<'Router'>,
  nic: NetworkNic | undefined,
  like: string,
): string | undefined {
  const family = parseAddress(like)?.family
  const isAlike = (address: string): boolean => parseAddress(address)?.family === family
  const floating = spec.floatingAddresses.find(
    ({ to, address }) => to === nic?.port && isAlike(address),
  )
  const hosts = spec.external?.hosts ?? []
  const host =
    hosts.find((one) => one.host === nic?.host) ?? (hosts.length === 1 ? hosts[0] : undefined)
  return floating?.address ?? host?.addresses.find(isAlike)
}

function sidesOf({ spec }: Manifest<'Router'>): ReadonlySet<string> {
  return new Set(spec.portGroups)
}

function gatewayHop(nic: NetworkNic): PathHop {
  return { by: 'gateway', sentence: `the gateway of port group ${nic.portGroup}` }
}

function routerHop(router: Manifest<'Router'>, nic: NetworkNic): PathHop {
  const where = nic.host === undefined ? 'the sender’s host' : `host ${nic.host}`
  return { by: 'router', sentence: `router ${router.name} on ${where}` }
}

/** The NICs of a network by what people call them; worked out once, since a network never changes
 *  in place. */
interface NicIndex {
  /** By `MACHINE.NIC` and by `MACHINE`, which is its first. */
  readonly byName: ReadonlyMap<string, NetworkNic>
  readonly byAddress: ReadonlyMap<string, NetworkNic>
}

const indices = new WeakMap<RoutedNetwork, NicIndex>()

function indexOf(network: RoutedNetwork): NicIndex {
  const known = indices.get(network)
  if (known !== undefined) return known
  const byName = new Map<string, NetworkNic>()
  const byAddress = new Map<string, NetworkNic>()
  for (const nic of network.nics) {
    for (const name of [nic.port, nic.port.slice(0, nic.port.indexOf('.'))]) {
      if (!byName.has(name)) byName.set(name, nic)
    }
    for (const text of [...nic.ipv4, ...nic.ipv6].map(plainAddress)) {
      if (!byAddress.has(text)) byAddress.set(text, nic)
    }
  }
  const index = { byName, byAddress }
  indices.set(network, index)
  return index
}

function endOf(network: RoutedNetwork, text: string, family: 'ipv4' | 'ipv6'): PathEnd | undefined {
  const { byName, byAddress } = indexOf(network)
  if (parseAddress(text) !== undefined) {
    const address = plainAddress(text)
    const nic = byAddress.get(address)
    return { address, ...(nic !== undefined && { nic }) }
  }
  const nic = byName.get(text.replace('/', '.'))
  const address = nic?.[family][0]
  return nic === undefined || address === undefined ? undefined : { nic, address }
}

function familyOf({ family, from, to }: PacketQuestion): 'ipv4' | 'ipv6' {
  return family ?? parseAddress(to)?.family ?? parseAddress(from)?.family ?? 'ipv4'
}

function shown({ port }: NetworkNic): string {
  return port.replace('.', '/')
}
