import type { Problem } from '@purlin/base'
import type { SpecOf } from '@purlin/schema'
import type { ChosenDisk, Content, LayoutDisk, LayoutPartition } from '../layout.ts'
import { BIOS_BOOT_MIB, ESP_MIB } from './boot-needs.ts'

type DiskSpec = SpecOf<'DeploymentTemplate'>['disks'][number]

const MIB = 1_048_576
/** In front for the table and the alignment, behind for GPT’s second table. */
const MARGIN_MIB = 1
/** Less than this is no place for anything that grows. */
export const GROW_MIN_MIB = 64
/** MBR counts 512-byte sectors in 32 bits. */
const MBR_LIMIT_MIB = 2_097_152

/** The partitions of one disk with their sizes, or why they do not fit. Pure. */
export function layOutDisk(
  spec: DiskSpec,
  index: number,
  chosen: ChosenDisk,
  needs: { readonly boot: boolean; readonly add?: 'bios-boot' | 'esp' },
): { readonly disk: LayoutDisk; readonly problems: readonly Problem[] } {
  const path = `disks[${index}]`
  const added =
    needs.add === undefined
      ? []
      : [
          {
            sizeMiB: needs.add === 'esp' ? ESP_MIB : BIOS_BOOT_MIB,
            grow: false,
            content: { kind: needs.add },
            path,
          },
        ]
  const wanted = [
    ...added,
    ...spec.partitions.map((part, position) => ({
      sizeMiB: part.sizeMiB ?? 0,
      grow: part.grow === true,
      content: contentOf(part),
      path: `${path}.partitions[${position}]`,
    })),
  ]
  const wholeMiB = Math.floor(chosen.reported.sizeBytes / MIB)
  const usableMiB = wholeMiB - 2 * MARGIN_MIB
  const fixedMiB = wanted.reduce((sum, { sizeMiB }) => sum + sizeMiB, 0)
  const restMiB = usableMiB - fixedMiB
  const grows = wanted.find(({ grow }) => grow)
  const problems: Problem[] = []
  if (restMiB < 0) {
    const message = `needs ${fixedMiB} MiB with what booting adds, but ${chosen.link} has`
    problems.push({ path: `${path}.partitions`, message: `${message} ${usableMiB} MiB` })
  } else if (grows !== undefined && restMiB < GROW_MIN_MIB) {
    const message = `${restMiB} MiB are left to grow into, less than ${GROW_MIN_MIB} MiB`
    problems.push({ path: `${grows.path}.grow`, message })
  }
  if (spec.table === 'mbr' && wanted.length > 4) {
    const message = 'an MBR holds four partitions with those that booting adds; use gpt'
    problems.push({ path: `${path}.table`, message })
  }
  if (spec.table === 'mbr' && needs.add === 'esp') {
    problems.push({ path: `${path}.table`, message: 'UEFI boots from gpt; an MBR is for BIOS' })
  }
  if (spec.table === 'mbr' && wholeMiB > MBR_LIMIT_MIB) {
    problems.push({ path: `${path}.table`, message: 'an MBR reaches 2 TiB only; use gpt' })
  }
  let startMiB = MARGIN_MIB
  const partitions = wanted.map((part, position): LayoutPartition => {
    const sizeMiB = part.grow ? Math.max(restMiB, 0) : part.sizeMiB
    const laid = {
      ...part,
      sizeMiB,
      startMiB,
      number: position + 1,
      id: `d${index}p${position + 1}`,
    }
    startMiB += sizeMiB
    return laid
  })
  const { table } = spec
  return {
    disk: { ...chosen, id: `d${index}`, table, boot: needs.boot, partitions, path },
    problems,
  }
}

/** What the template puts on a partition, array or volume. */
export function contentOf(part: {
  readonly filesystem?: 'ext4' | 'xfs' | 'vfat' | 'swap' | undefined
  readonly mount?: string | undefined
  readonly lvm?: string | undefined
  readonly raid?: string | undefined
}): Content {
  if (part.lvm !== undefined) return { kind: 'lvm', group: part.lvm }
  if (part.raid !== undefined) return { kind: 'raid', array: part.raid }
  if (part.filesystem === 'vfat') return { kind: 'esp' }
  if (part.filesystem === undefined || part.filesystem === 'swap') return { kind: 'swap' }
  return { kind: 'filesystem', filesystem: part.filesystem, mount: part.mount ?? '/' }
}
