import {
  type FilterDefaults,
  filterDefaults,
  type NetfilterDesired,
  netfilterDesiredOf,
} from '@purlin/netfilter'
import type { Catalogue } from '../resources/catalogue.ts'
import { localNics } from './local-nics.ts'

/** What the filter of this host should be. Pure. */
export function netfilterDesired(
  catalogue: Catalogue,
  defaults: FilterDefaults = filterDefaults,
): NetfilterDesired {
  return netfilterDesiredOf(
    {
      nics: localNics(catalogue),
      groups: catalogue.list('SecurityGroup').map(({ manifest }) => manifest),
      portGroup: (name) => catalogue.get('PortGroup', name)?.manifest.spec,
    },
    defaults,
  )
}
