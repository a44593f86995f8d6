import { access } from 'node:fs/promises'
import { disksOf, documentsOf } from './configuration/documents.ts'
import type { PoolStatus } from './control/messages.ts'

/** Which disks that were away when their pool was opened can be found at their paths now. Shape:
 *  the paths, as the daemon's file has them. */
export async function absentDisksFound(
  pools: readonly PoolStatus[],
  configuration: string,
): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  for (const path of absentPaths(pools, configuration)) {
    const isThere = await access(path).then(
      () => true,
      () => false,
    )
    if (isThere) found.add(path)
  }
  return found
}

/** Where the disks would be that a pool misses and has not open. Pure. */
function absentPaths(pools: readonly PoolStatus[], configuration: string): readonly string[] {
  const incomplete = pools.filter((pool) => missesDisks(pool))
  if (incomplete.length === 0) return []
  return documentsOf(configuration).flatMap((document) => {
    const { kind, name } = document
    const pool = incomplete.find((each) => kind === 'StoragePool' && each.name === name)
    if (pool === undefined) return []
    const disks = disksOf(document).filter((disk) => isAwaited(pool, disk.name))
    return disks.map(({ path }) => path)
  })
}

/** Where a pool was made before the names of disks were kept on the others, what is missing when it
 *  is opened is called so. */
const NAMELESS = 'missing'

function missesDisks({ engine }: PoolStatus): boolean {
  return (engine?.disks ?? []).some(({ state }) => state === 'missing')
}

/** How many disks a pool misses of which it does not know how the file calls them. Pure. */
export function missingWithoutName({ engine }: PoolStatus): number {
  const disks = engine?.disks ?? []
  return disks.filter(({ state, name }) => state === 'missing' && name === NAMELESS).length
}

/** Whether a pool misses a disk of this name and has not had it open: one that failed in use stays
 *  open, and is not used again by itself. Pure. */
export function isAway({ engine, reactor }: PoolStatus, name: string): boolean {
  const disk = engine?.disks.find((each) => each.name === name)
  const open = reactor?.movedBytes
  return disk?.state === 'missing' && open !== undefined && !Object.hasOwn(open, name)
}

function isAwaited(pool: PoolStatus, name: string): boolean {
  const isUnknown = pool.engine?.disks.every((disk) => disk.name !== name) ?? false
  return isAway(pool, name) || (isUnknown && missingWithoutName(pool) > 0)
}
