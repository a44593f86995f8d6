import { allotPorts, type Manifest, type PortGroupSpec } from '@purlin/schema'
import type { NetfilterDesired } from '../policy/desired.ts'
import { type FilterDefaults, filterDefaults } from '../policy/filtered-nic.ts'
import { netfilterDesiredOf, type PluggedNic } from './desired-of.ts'

/** What the filter of one host would be that runs every machine of a checked manifest and nothing
 *  else: an agent that has applied it to an empty store says the same. NICs without fixed addresses
 *  get the lowest free of each DHCP range in the manifest's order; MACs, zones and devices follow
 *  from the names. Pure. Errors: those of `allotPorts`. */
export function desiredOfManifest(
  manifests: readonly Manifest[],
  defaults: FilterDefaults = filterDefaults,
): NetfilterDesired {
  const machines = manifests.filter((one) => one.kind === 'VirtualMachine')
  const portGroups = new Map<string, PortGroupSpec>(
    manifests.flatMap((one) => (one.kind === 'PortGroup' ? [[one.name, one.spec] as const] : [])),
  )
  const ports = allotPorts({ machines, portGroups, existing: new Map() })
  const nics = machines.flatMap((machine) =>
    machine.spec.nics.flatMap((nic): PluggedNic[] => {
      const name = `${machine.name}.${nic.name}`
      const spec = ports.get(name)
      return spec === undefined ? [] : [{ nic, port: { name, spec } }]
    }),
  )
  const groups = manifests.filter((one) => one.kind === 'SecurityGroup')
  return netfilterDesiredOf({ nics, groups, portGroup: (name) => portGroups.get(name) }, defaults)
}
