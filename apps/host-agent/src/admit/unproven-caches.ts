import { resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { refuseUnproven } from '@purlin/cache-native'
import type { SpecOf } from '@purlin/schema'
import type { AdmittedChange } from '@purlin/service'
import type { Configuration } from '../config/config.ts'

/** Refuses writeback on SSDs of which nobody knows that they keep what they have flushed, where the
 *  change brings it about: a pool that has it already is left alone. Errors: PUR_CACHE_UNPROVEN. */
export async function refuseUnprovenCaches(
  { changes }: AdmittedChange,
  storage: NonNullable<Configuration['storage']>,
): Promise<void> {
  for (const { before, after } of changes) {
    const cache = cacheOf(after?.manifest)
    if (cache?.mode !== 'writeback' || cache.force === true) continue
    if (isDeepStrictEqual(cacheOf(before?.manifest), cache)) continue
    const devices = cache.devices.map(({ path }) => resolve(storage.folder, path))
    await refuseUnproven(
      devices,
      storage.proofs,
      `set cache.force of pool ${after?.manifest.name}; nothing was applied`,
    )
  }
}

function cacheOf(
  manifest: { readonly kind: string; readonly spec: unknown } | undefined,
): SpecOf<'StoragePool'>['cache'] {
  if (manifest?.kind !== 'StoragePool') return undefined
  return (manifest.spec as SpecOf<'StoragePool'>).cache
}
