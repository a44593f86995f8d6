import type { RoutedNetwork } from '@purlin/schema'
import type { Catalogue } from '@purlin/service'
import type { RouterGrounds } from '@purlin/vswitch'
import { arrivesAt, everyNic } from './local-nics.ts'

/** What the routers of a host follow from. A machine that names no host is of a host that is alone.
 *  Pure. */
export function routerGrounds(catalogue: Catalogue, host: string): RouterGrounds {
  const nics = everyNic(catalogue)
  const arriving = nics.filter(({ port }) => arrivesAt(port, host))
  return {
    host,
    arriving: arriving.map(({ port }) => port.spec.portGroup),
    routers: catalogue.list('Router').map(({ manifest }) => manifest),
    portGroup: (name) => catalogue.get('PortGroup', name)?.manifest.spec,
    mtuOf: (name) => catalogue.get('DistributedSwitch', name)?.manifest.spec.mtu ?? 1500,
    nics: nics.map(({ machine, port }) => ({
      port: port.name,
      portGroup: port.spec.portGroup,
      mac: port.spec.mac,
      ipv4: port.spec.ipv4,
      ipv6: port.spec.ipv6,
      host: machine.spec.host ?? host,
    })),
  }
}

/** The network by which packets find their way. Pure. */
export function routedNetwork(catalogue: Catalogue, host: string): RoutedNetwork {
  const { routers, nics } = routerGrounds(catalogue, host)
  const groups = catalogue.list('PortGroup').map(({ manifest }) => manifest)
  return { routers, nics, portGroups: new Map(groups.map(({ name, spec }) => [name, spec])) }
}
