import type { HostTree } from './host-tree.ts'

/** What is mounted and swapped on, by device number (`8:1`) and by path (`/dev/sda1`). */
export interface Mounts {
  readonly byDevice: ReadonlyMap<string, readonly string[]>
  readonly byPath: ReadonlyMap<string, readonly string[]>
}

/** More mounts of one device than these say nothing new. */
const NAMED_MOUNTS = 3

/** Reads proc(5)'s mountinfo and swaps. File systems that give devices of their own (btrfs) are
 *  known by their path. `claims` has who else uses a device, by its path. */
export async function readMounts(
  tree: HostTree,
  claims: ReadonlyMap<string, readonly string[]>,
): Promise<Mounts> {
  const [mounts = '', swaps = ''] = await Promise.all([
    tree.text('/proc/self/mountinfo'),
    tree.text('/proc/swaps'),
  ])
  const byDevice = new Map<string, string[]>()
  const byPath = new Map<string, string[]>()
  const note = (into: Map<string, string[]>, key: string, user: string): void => {
    const users = into.get(key) ?? []
    if (!users.includes(user) && users.length < NAMED_MOUNTS) into.set(key, [...users, user])
  }
  for (const line of mounts.split('\n')) {
    const [before = '', behind = ''] = line.split(' - ')
    const [, , device = '', , place = ''] = before.split(' ')
    const path = behind.split(' ')[1] ?? ''
    if (place === '') continue
    const user = `file system ${plain(place)}`
    note(byDevice, device, user)
    if (path.startsWith('/dev/')) note(byPath, plain(path), user)
  }
  for (const line of swaps.split('\n').slice(1)) {
    const path = line.split(/\s+/)[0] ?? ''
    if (path.startsWith('/dev/')) note(byPath, plain(path), 'swap')
  }
  for (const [path, users] of claims) {
    for (const user of users) note(byPath, path, user)
  }
  return { byDevice, byPath }
}

/** How deep devices may lie upon each other: a volume on an encrypted one on a RAID is three. */
const LAYERS_LIMIT = 8

/** Who has a block device, its partitions, and what is made of them. */
export async function diskUsers(
  tree: HostTree,
  name: string,
  mounts: Mounts,
  layers = LAYERS_LIMIT,
): Promise<readonly string[]> {
  if (layers === 0) return []
  const folder = `/sys/class/block/${name}`
  const [device = '', label, entries, holders] = await Promise.all([
    tree.text(`${folder}/dev`),
    tree.text(`${folder}/dm/name`),
    tree.list(folder),
    tree.list(`${folder}/holders`),
  ])
  const paths = [`/dev/${name}`, ...(label === undefined ? [] : [`/dev/mapper/${label}`])]
  const own = [
    ...(mounts.byDevice.get(device) ?? []),
    ...paths.flatMap((path) => mounts.byPath.get(path) ?? []),
  ]
  const parts = entries.filter((entry) => entry.startsWith(name))
  const above = await Promise.all(
    [...parts, ...holders].map((one) => diskUsers(tree, one, mounts, layers - 1)),
  )
  const users = [...new Set([...own, ...above.flat()])]
  // A volume group or RAID has its disk also while nothing on it is mounted.
  if (users.length === 0 && holders.length > 0) return holders.map((one) => `device ${one}`)
  return users
}

/** The kernel writes blanks in paths as octal escapes. */
function plain(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_all, digits) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  )
}
