import { resolve } from 'node:path'
import type { CacheLock } from '@purlin/schema'
import type { AdmittedChange } from '@purlin/service'
import { identityOf, lockedOut } from '../storage/cache-locks.ts'

/** Refuses disks and SSDs of pools that lack what the SSDs of somebody's cache have. Shape:
 *  `folder` is where relative paths begin on this host. Errors: PUR_CACHE_LOCKED. */
export async function refuseLockedDisks(
  { changes }: AdmittedChange,
  locks: readonly CacheLock[],
  { folder, host }: { readonly folder: string; readonly host: string },
): Promise<void> {
  if (locks.length === 0) return
  for (const { after } of changes) {
    if (after?.manifest.kind !== 'StoragePool') continue
    const { disks, cache } = after.manifest.spec
    for (const { path } of [...disks, ...(cache?.devices ?? [])]) {
      // What is not there yet is a file to be made.
      const identity = await identityOf(resolve(folder, path), host).catch(() => undefined)
      const lock = locks.find((each) => each.identity === identity)
      if (lock !== undefined) throw lockedOut(`pool ${after.manifest.name} cannot have it`, lock)
    }
  }
}
