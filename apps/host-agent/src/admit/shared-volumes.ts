import type { Problem } from '@purlin/base'
import type { Manifest } from '@purlin/schema'

/** Volumes that more than one machine names: what both wrote would be mixed. Pure. */
export function sharedVolumes(machines: readonly Manifest<'VirtualMachine'>[]): readonly Problem[] {
  const owner = new Map<string, string>()
  return machines.flatMap(({ name, spec }) =>
    spec.disks.flatMap(({ volume }, index): Problem[] => {
      const other = owner.get(volume)
      if (other === undefined) {
        owner.set(volume, name)
        return []
      }
      const path = `VirtualMachine ${name}: spec.disks[${index}].volume`
      return [{ path, message: `volume ${volume} is a disk of machine ${other}; clone it` }]
    }),
  )
}
