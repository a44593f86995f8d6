import type { Problem } from '@purlin/base'
import type { Manifest, PortGroupSpec } from '@purlin/schema'

/** NICs whose path cannot do what is asked of it: on a trunk the lists cannot see into tagged
 *  frames, which a NIC may say that it knows, and nothing keeps direct ports apart. Pure. */
export function unenforceableNics(
  machines: readonly Manifest<'VirtualMachine'>[],
  portGroups: ReadonlyMap<string, PortGroupSpec>,
): readonly Problem[] {
  return machines.flatMap(({ name, spec }) =>
    spec.nics.flatMap((nic, index): Problem[] => {
      const { trunk, isolated } = portGroups.get(nic.portGroup) ?? {}
      if (nic.port === 'direct' && isolated === true) {
        return [
          {
            path: `VirtualMachine ${name}: spec.nics[${index}].port`,
            message: `cannot be direct: port group ${nic.portGroup} is isolated, and only filterable ports are kept apart; leave port out, or use a port group that is not isolated`,
          },
        ]
      }
      const wanted = nic.securityGroups.length > 0 || nic.defaultPolicy.withoutGroups === 'deny'
      if (trunk === undefined || !wanted || nic.allowUnfiltered) return []
      return [
        {
          path: `VirtualMachine ${name}: spec.nics[${index}].securityGroups`,
          message: `cannot be enforced: port group ${nic.portGroup} is a trunk, and lists cannot see into tagged frames; leave the groups out, use a port group without trunk, or set allowUnfiltered`,
        },
      ]
    }),
  )
}
