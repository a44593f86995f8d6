type Filesystem = 'ext4' | 'xfs' | 'vfat' | 'swap'

interface Content {
  readonly filesystem?: Filesystem | undefined
  readonly mount?: string | undefined
  readonly lvm?: string | undefined
  readonly raid?: string | undefined
}

interface Sized {
  readonly grow?: boolean | undefined
}

interface TemplateStorage {
  readonly disks: readonly {
    readonly match: Readonly<Record<string, unknown>>
    readonly table: 'gpt' | 'mbr'
    readonly partitions: readonly (Content & Sized & { readonly sizeMiB?: number | undefined })[]
  }[]
  readonly raid: readonly (Content & {
    readonly name: string
    readonly level: 0 | 1 | 5 | 6 | 10
  })[]
  readonly lvm: readonly {
    readonly group: string
    readonly volumes: readonly (Content &
      Sized & { readonly name: string; readonly sizeGiB?: number | undefined })[]
  }[]
}

type Path = readonly (string | number)[]
type Tell = (path: Path, message: string) => void

const MEMBERS_MIN = { 0: 2, 1: 2, 5: 3, 6: 4, 10: 4 } as const

/** What of a template's storage contradicts itself; each finding goes to `tell` with its path.
 *  Pure; whether a chassis has such disks is for the check against its discovery report. */
export function checkTemplateStorage(spec: TemplateStorage, tell: Tell): void {
  const mounts = new Map<string, Path>()
  const check = (content: Content, path: Path): void => checkContent(content, path, mounts, tell)
  spec.disks.forEach((disk, index) => {
    checkMatch(disk.match, ['disks', index, 'match'], tell)
    disk.partitions.forEach((partition, position) => {
      const path = ['disks', index, 'partitions', position]
      check(partition, path)
      checkSize(partition.sizeMiB, partition.grow, 'sizeMiB', path, tell)
    })
    checkOneGrows(disk.partitions, ['disks', index, 'partitions'], tell)
    if (disk.table === 'mbr' && disk.partitions.length > 4) {
      tell(['disks', index, 'partitions'], 'an MBR holds four partitions; use table: gpt')
    }
  })
  spec.raid.forEach((array, index) => void check(array, ['raid', index]))
  spec.lvm.forEach(({ volumes }, index) => {
    volumes.forEach((volume, position) => {
      const path = ['lvm', index, 'volumes', position]
      check(volume, path)
      checkSize(volume.sizeGiB, volume.grow, 'sizeGiB', path, tell)
      if (volumes.findIndex(({ name }) => name === volume.name) < position) {
        tell([...path, 'name'], `the group has a volume ${volume.name} already`)
      }
    })
    checkOneGrows(volumes, ['lvm', index, 'volumes'], tell)
  })
  checkReferences(spec, tell)
  if (!mounts.has('/')) tell(['disks'], 'nothing is mounted at /; give one file system mount: /')
  const esp = mounts.get('/boot/efi')
  if (esp !== undefined && esp[0] !== 'disks') {
    tell([...esp, 'mount'], 'firmware reads /boot/efi from a plain partition only')
  }
}

function checkMatch(match: Readonly<Record<string, unknown>>, path: Path, tell: Tell): void {
  const { smallest, largest, minSizeGiB = 0, maxSizeGiB = Number.POSITIVE_INFINITY } = match
  const said = Object.values(match).filter((value) => value !== undefined && value !== false)
  if (said.length === 0) tell(path, 'must name a serial, a WWN, a medium or a size rule')
  if (smallest === true && largest === true) tell(path, 'smallest and largest exclude each other')
  if (Number(minSizeGiB) > Number(maxSizeGiB)) tell(path, 'minSizeGiB is above maxSizeGiB')
}

function checkContent(content: Content, path: Path, mounts: Map<string, Path>, tell: Tell): void {
  const { filesystem, mount, lvm, raid } = content
  const uses = [filesystem, lvm, raid].filter((use) => use !== undefined)
  if (uses.length !== 1) {
    tell(path, `must have exactly one of filesystem, lvm and raid, has ${uses.length}`)
    return
  }
  if (filesystem === undefined || filesystem === 'swap') {
    if (mount !== undefined) tell([...path, 'mount'], 'only a file system is mounted')
    return
  }
  if (mount === undefined) {
    tell(path, `the ${filesystem} file system needs a mount`)
    return
  }
  if (mounts.has(mount)) tell([...path, 'mount'], `${mount} is mounted already`)
  mounts.set(mount, path)
  if ((mount === '/boot/efi') !== (filesystem === 'vfat')) {
    tell([...path, 'filesystem'], 'vfat is for /boot/efi, and /boot/efi is vfat')
  }
}

function checkSize(
  size: number | undefined,
  grow: boolean | undefined,
  field: string,
  path: Path,
  tell: Tell,
): void {
  if ((size === undefined) === (grow !== true)) {
    tell(path, `must have exactly one of ${field} and grow: true`)
  }
}

function checkOneGrows(parts: readonly Sized[], path: Path, tell: Tell): void {
  const growing = parts.flatMap(({ grow }, index) => (grow === true ? [index] : []))
  growing
    .slice(1)
    .forEach((index) => void tell([...path, index, 'grow'], 'only one of its kind can grow here'))
}

function checkReferences({ disks, raid, lvm }: TemplateStorage, tell: Tell): void {
  const partitions = disks.flatMap((disk, index) =>
    disk.partitions.map((part, position) => ({
      part,
      path: ['disks', index, 'partitions', position] as Path,
    })),
  )
  const arrays = raid.map((part, index) => ({ part, path: ['raid', index] as Path }))
  for (const { part, path } of [...partitions, ...arrays]) {
    if (part.lvm !== undefined && !lvm.some(({ group }) => group === part.lvm)) {
      tell([...path, 'lvm'], `there is no group ${part.lvm} under lvm`)
    }
    if (part.raid !== undefined && !raid.some(({ name }) => name === part.raid)) {
      tell([...path, 'raid'], `there is no array ${part.raid} under raid`)
    }
  }
  raid.forEach(({ name, level }, index) => {
    const members = partitions.filter(({ part }) => part.raid === name).length
    if (members < MEMBERS_MIN[level]) {
      const needs = `RAID ${level} needs ${MEMBERS_MIN[level]} partitions with raid: ${name}`
      tell(['raid', index], `${needs}, found ${members}`)
    }
    if (raid.findIndex((other) => other.name === name) < index) {
      tell(['raid', index, 'name'], `there is an array ${name} already`)
    }
  })
  lvm.forEach(({ group }, index) => {
    if (![...partitions, ...arrays].some(({ part }) => part.lvm === group)) {
      tell(['lvm', index], `no partition or array has lvm: ${group}`)
    }
    if (lvm.findIndex((other) => other.group === group) < index) {
      tell(['lvm', index, 'group'], `there is a group ${group} already`)
    }
  })
}
