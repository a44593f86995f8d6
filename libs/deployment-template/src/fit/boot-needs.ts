import type { SpecOf } from '@purlin/schema'

type TemplateSpec = SpecOf<'DeploymentTemplate'>

/** GRUB’s core image needs about 40 KiB; one aligned MiB is what every installer gives it. */
export const BIOS_BOOT_MIB = 1
/** Room for several boot loaders; the UEFI specification asks for FAT32, which mkfs.vfat makes from
 *  about 260 MiB up with 4 KiB blocks. */
export const ESP_MIB = 512

/** What each disk of a template gets in front of its own partitions, so that firmware finds a boot
 *  loader. `boot` marks the disks that hold /boot, or / where there is no /boot, through arrays and
 *  groups; BIOS starts from any of them, UEFI from the first. Pure. */
export function bootNeeds(
  spec: TemplateSpec,
  firmware: 'bios' | 'uefi',
): readonly { readonly boot: boolean; readonly add?: 'bios-boot' | 'esp' }[] {
  const holding = disksHolding(spec, bootMount(spec))
  const hasEsp = spec.disks.some(({ partitions }) =>
    partitions.some(({ mount }) => mount === '/boot/efi'),
  )
  const firstBoot = spec.disks.findIndex((_, index) => holding.has(index))
  return spec.disks.map(({ table, partitions }, index) => {
    if (firmware === 'uefi') {
      const own = partitions.some(({ mount }) => mount === '/boot/efi')
      if (hasEsp) return { boot: own }
      return index === firstBoot ? { boot: true, add: 'esp' } : { boot: false }
    }
    const boot = holding.has(index)
    return boot && table === 'gpt' ? { boot, add: 'bios-boot' } : { boot }
  })
}

function bootMount(spec: TemplateSpec): string {
  const contents = [
    ...spec.disks.flatMap(({ partitions }) => partitions),
    ...spec.raid,
    ...spec.lvm.flatMap(({ volumes }) => volumes),
  ]
  return contents.some(({ mount }) => mount === '/boot') ? '/boot' : '/'
}

function disksHolding(spec: TemplateSpec, mount: string): ReadonlySet<number> {
  const groups = new Set(
    spec.lvm
      .filter(({ volumes }) => volumes.some((volume) => volume.mount === mount))
      .map(({ group }) => group),
  )
  const arrays = new Set(
    spec.raid
      .filter((array) => array.mount === mount || groups.has(array.lvm ?? ''))
      .map(({ name }) => name),
  )
  return new Set(
    spec.disks.flatMap(({ partitions }, index) =>
      partitions.some(
        (part) => part.mount === mount || groups.has(part.lvm ?? '') || arrays.has(part.raid ?? ''),
      )
        ? [index]
        : [],
    ),
  )
}
