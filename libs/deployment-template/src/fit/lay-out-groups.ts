import type { Problem } from '@purlin/base'
import type { SpecOf } from '@purlin/schema'
import type { LayoutArray, LayoutDisk, LayoutGroup, LayoutVolume } from '../layout.ts'
import { contentOf, GROW_MIN_MIB } from './lay-out-disk.ts'

type TemplateSpec = SpecOf<'DeploymentTemplate'>

/** LVM’s default extent, which every installer keeps. */
const EXTENT_MIB = 4
/** LVM’s first MiB, and what alignment to an array’s stripe may cost. */
const PHYSICAL_VOLUME_MIB = 1 + EXTENT_MIB
/** mdadm keeps at most 128 MiB, and never more than a thousandth, for a later reshape. */
const MDADM_HEADROOM_MIB = 128
const MDADM_SUPERBLOCK_MIB = 2

/** The arrays with the sizes they will have at least. Pure; the template’s own checks have seen
 *  that each array has members enough. */
export function layOutArrays(
  spec: TemplateSpec,
  disks: readonly LayoutDisk[],
): { readonly arrays: readonly LayoutArray[]; readonly problems: readonly Problem[] } {
  const problems: Problem[] = []
  const arrays = spec.raid.map((array, index): LayoutArray => {
    const path = `raid[${index}]`
    const members = disks.flatMap((disk) =>
      disk.partitions
        .filter(({ content }) => content.kind === 'raid' && content.array === array.name)
        .map((part) => ({ part, disk })),
    )
    if (new Set(members.map(({ disk }) => disk.id)).size < members.length && array.level !== 0) {
      const message = 'has two members on one disk, so one failure takes both'
      problems.push({ path, message })
    }
    const least = Math.min(...members.map(({ part }) => part.sizeMiB))
    const kept = Math.min(MDADM_HEADROOM_MIB, Math.ceil(least / 1_024)) + MDADM_SUPERBLOCK_MIB
    const perMemberMiB = Math.max(least - kept, 0)
    return {
      id: `a${index}`,
      name: array.name,
      level: array.level,
      members: members.map(({ part }) => part.id),
      sizeMiB: Math.floor(perMemberMiB * usefulMembers(array.level, members.length)),
      content: contentOf(array),
      path,
    }
  })
  return { arrays, problems }
}

/** The volume groups with their volumes’ sizes in whole extents, or why they do not fit. Pure. */
export function layOutGroups(
  spec: TemplateSpec,
  disks: readonly LayoutDisk[],
  arrays: readonly LayoutArray[],
): { readonly groups: readonly LayoutGroup[]; readonly problems: readonly Problem[] } {
  const problems: Problem[] = []
  const groups = spec.lvm.map(({ group, volumes }, index): LayoutGroup => {
    const path = `lvm[${index}]`
    const below = [...disks.flatMap(({ partitions }) => partitions), ...arrays].filter(
      ({ content }) => content.kind === 'lvm' && content.group === group,
    )
    const sizeMiB = below.reduce((sum, part) => sum + usableOf(part.sizeMiB), 0)
    const fixed = volumes.map(({ sizeGiB = 0 }) => wholeExtents(sizeGiB * 1_024))
    const restMiB = sizeMiB - fixed.reduce((sum, size) => sum + size, 0)
    const growing = volumes.findIndex(({ grow }) => grow === true)
    if (restMiB < 0) {
      const message = `needs ${sizeMiB - restMiB} MiB, but the group ${group} has ${sizeMiB} MiB`
      problems.push({ path: `${path}.volumes`, message })
    } else if (growing >= 0 && restMiB < GROW_MIN_MIB) {
      const message = `${restMiB} MiB are left to grow into, less than ${GROW_MIN_MIB} MiB`
      problems.push({ path: `${path}.volumes[${growing}].grow`, message })
    }
    return {
      name: group,
      physicalVolumes: below.map(({ id }) => id),
      sizeMiB,
      path,
      volumes: volumes.map(
        (volume, position): LayoutVolume => ({
          id: `g${index}v${position}`,
          name: volume.name,
          grow: volume.grow === true,
          sizeMiB: volume.grow === true ? Math.max(restMiB, 0) : (fixed[position] ?? 0),
          content: contentOf(volume),
          path: `${path}.volumes[${position}]`,
        }),
      ),
    }
  })
  return { groups, problems }
}

function usefulMembers(level: LayoutArray['level'], members: number): number {
  switch (level) {
    case 0:
      return members
    case 1:
      return 1
    case 5:
      return members - 1
    case 6:
      return members - 2
    case 10:
      return members / 2
  }
}

function usableOf(sizeMiB: number): number {
  return Math.max(Math.floor((sizeMiB - PHYSICAL_VOLUME_MIB) / EXTENT_MIB) * EXTENT_MIB, 0)
}

function wholeExtents(sizeMiB: number): number {
  return Math.ceil(sizeMiB / EXTENT_MIB) * EXTENT_MIB
}
