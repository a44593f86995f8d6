import { type Problem, parseCidr } from '@purlin/base'
import type { Manifest } from '../resources/kinds.ts'
import type { PortGroupSpec } from '../resources/port-group.ts'
import { addressLike, plainAddress, type RoutedNetwork, subnetOf } from './network.ts'

type Report = (path: string, message: string) => void

/** What routers cannot be beside each other and the port groups they name: a port group of two
 *  routers, networks that overlap, addresses and next hops in no subnet, forwards to machines that
 *  the router does not reach. Pure. */
export function checkRouters(network: RoutedNetwork): readonly Problem[] {
  const problems: Problem[] = []
  const joined = new Map<string, string>()
  const outside = new Map<string, string>()
  for (const router of network.routers) {
    const report: Report = (path, message) => {
      problems.push({ path: `Router ${router.name}: spec.${path}`, message })
    }
    router.spec.portGroups.forEach((name, index) => {
      const other = joined.get(name)
      if (other === undefined) joined.set(name, router.name)
      else report(`portGroups[${index}]`, `${name} is joined by router ${other} already`)
    })
    checkNetworks(router, network.portGroups, report)
    checkRoutes(router, network.portGroups, report)
    checkExternal(router, network, outside, report)
  }
  return problems
}

function checkNetworks(
  { spec }: Manifest<'Router'>,
  portGroups: ReadonlyMap<string, PortGroupSpec>,
  report: Report,
): void {
  const seen: { readonly cidr: string; readonly portGroup: string }[] = []
  spec.portGroups.forEach((portGroup, index) => {
    for (const { cidr, gateway } of portGroups.get(portGroup)?.subnets ?? []) {
      if (gateway === undefined) continue
      const range = parseCidr(cidr)
      const clash = seen.find((one) => {
        const other = parseCidr(one.cidr)
        return (
          range?.family === other?.family &&
          range !== undefined &&
          other !== undefined &&
          range.first <= other.last &&
          other.first <= range.last
        )
      })
      if (clash !== undefined) {
        const message = `${cidr} of ${portGroup} overlaps with ${clash.cidr} of ${clash.portGroup}`
        report(`portGroups[${index}]`, message)
      }
      seen.push({ cidr, portGroup })
    }
  })
}

function checkRoutes(
  { spec }: Manifest<'Router'>,
  portGroups: ReadonlyMap<string, PortGroupSpec>,
  report: Report,
): void {
  const sides = [...spec.portGroups, ...(spec.external ? [spec.external.portGroup] : [])]
  spec.routes.forEach(({ via }, index) => {
    if (sides.some((name) => subnetOf(portGroups.get(name), via) !== undefined)) return
    report(`routes[${index}].via`, `${via} is in no subnet of ${sides.join(', ')}`)
  })
}

function checkExternal(
  { name, spec }: Manifest<'Router'>,
  { portGroups, nics }: RoutedNetwork,
  outside: Map<string, string>,
  report: Report,
): void {
  if (spec.external === undefined) return
  const { portGroup, nextHops, hosts } = spec.external
  const group = portGroups.get(portGroup)
  const claim = (path: string, address: string, isRouters = true): void => {
    if (group !== undefined && subnetOf(group, address) === undefined) {
      report(path, `${address} is in no subnet of port group ${portGroup}`)
    }
    if (!isRouters) return
    const holder = nics.find(
      (nic) =>
        nic.portGroup === portGroup && [...nic.ipv4, ...nic.ipv6].includes(plainAddress(address)),
    )
    if (holder !== undefined) report(path, `${address} is the address of ${holder.port}`)
    const key = `${portGroup} ${plainAddress(address)}`
    const other = outside.get(key)
    if (other !== undefined && other !== name) report(path, `${address} is router ${other}’s`)
    outside.set(key, name)
  }
  for (const [index, address] of nextHops.entries()) {
    claim(`external.nextHops[${index}]`, address, false)
  }
  for (const [at, { addresses }] of hosts.entries()) {
    for (const [index, address] of addresses.entries()) {
      claim(`external.hosts[${at}].addresses[${index}]`, address)
    }
  }
  for (const list of ['portForwards', 'floatingAddresses'] as const) {
    spec[list].forEach(({ address, to }, index) => {
      claim(`${list}[${index}].address`, address)
      const nic = nics.find(({ port }) => port === to)
      const path = `${list}[${index}].to`
      if (nic === undefined) report(path, `${to} is no NIC of that machine`)
      else if (!spec.portGroups.includes(nic.portGroup)) {
        report(path, `${to} is in port group ${nic.portGroup}, which the router does not join`)
      } else if (addressLike(nic, address) === undefined) {
        report(path, `${to} has no address of the family of ${address}`)
      }
    })
  }
}
