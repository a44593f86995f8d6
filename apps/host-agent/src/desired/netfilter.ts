import {
  type FilterDefaults,
  filterDefaults,
  type NetfilterDesired,
  netfilterDesiredOf,
} from '@purlin/netfilter'
import type { Catalogue } from '@purlin/service'
import { everyNic, standsOn } from './local-nics.ts'

/** What the filter of a host should be: the lists of its own NICs (without a host: of all), with
 *  members on every host. Pure. */
export function netfilterDesired(
  catalogue: Catalogue,
  defaults: FilterDefaults = filterDefaults,
  host?: string,
): NetfilterDesired {
  const nics = everyNic(catalogue)
  const own = new Set(nics.filter((nic) => standsOn(nic, host)).map(({ port }) => port.name))
  const desired = netfilterDesiredOf(
    {
      nics,
      groups: catalogue.list('SecurityGroup').map(({ manifest }) => manifest),
      portGroup: (name) => catalogue.get('PortGroup', name)?.manifest.spec,
    },
    defaults,
  )
  return { ...desired, nics: desired.nics.filter(({ port }) => own.has(port)) }
}
