import type { Problem } from '@purlin/base'
import type { Manifest, PortGroupSpec } from '@purlin/schema'

/** NICs whose groups their path cannot enforce, and that do not say that they know: on a trunk the
 *  lists cannot see into tagged frames. Pure. */
export function unenforceableNics(
  machines: readonly Manifest<'VirtualMachine'>[],
  portGroups: ReadonlyMap<string, PortGroupSpec>,
): readonly Problem[] {
  return machines.flatMap(({ name, spec }) =>
    spec.nics.flatMap((nic, index): Problem[] => {
      const { trunk } = portGroups.get(nic.portGroup) ?? {}
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
