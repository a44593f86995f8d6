import { allotPorts } from '../allotment/ports.ts'
import type { Manifest } from '../resources/kinds.ts'
import type { PortGroupSpec } from '../resources/port-group.ts'
import type { NetworkNic, RoutedNetwork } from './network.ts'

/** The network of a checked manifest applied to an empty store. Pure. Errors: those of
 *  `allotPorts`. */
export function networkOfManifests(manifests: readonly Manifest[]): RoutedNetwork {
  const machines = manifests.filter((one) => one.kind === 'VirtualMachine')
  const portGroups = new Map<string, PortGroupSpec>(
    manifests.flatMap((one) => (one.kind === 'PortGroup' ? [[one.name, one.spec] as const] : [])),
  )
  const ports = allotPorts({ machines, portGroups, existing: new Map() })
  const hostOf = new Map(machines.map(({ name, spec }) => [name, spec.host]))
  return {
    routers: manifests.filter((one) => one.kind === 'Router'),
    portGroups,
    nics: [...ports].map(([port, spec]): NetworkNic => {
      const host = hostOf.get(spec.virtualMachine)
      const { portGroup, ipv4, ipv6 } = spec
      return { port, portGroup, ipv4, ipv6, ...(host !== undefined && { host }) }
    }),
  }
}
