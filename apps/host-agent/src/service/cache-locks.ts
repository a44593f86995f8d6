import { resolve } from 'node:path'
import { PurlinError } from '@purlin/base'
import type { Catalogue } from '@purlin/service'
import type { OperationHandlers } from '../api/handlers.ts'
import {
  type CacheLockGrounds,
  identityOf,
  listCacheLocks,
  lockOrigin,
  releaseOrigin,
} from '../storage/cache-locks.ts'

type LockCall = 'listCacheLocks' | 'lockOrigin' | 'releaseOrigin'

interface LockCallGrounds extends CacheLockGrounds {
  readonly catalogue: () => Catalogue
  /** Where relative paths of disks begin; absent: this host serves no storage. */
  readonly folder: string | undefined
}

/** The calls of the schema's operations on locks of cached devices. */
export function cacheLockHandlers(grounds: LockCallGrounds): Pick<OperationHandlers, LockCall> {
  return {
    listCacheLocks: async () => ({ items: await listCacheLocks(grounds.store) }),
    lockOrigin: async ({ body }) => {
      await refusePoolDisk(grounds, body.origin)
      const lock = await lockOrigin(grounds, body)
      return lock === undefined ? {} : { lock }
    },
    releaseOrigin: async ({ params }) => {
      await releaseOrigin(grounds, params.name ?? '')
      return {}
    },
  }
}

/** What a pool here has is formatted by it. Errors: PUR_RESOURCE_IN_USE. */
async function refusePoolDisk(
  { catalogue, folder, host }: LockCallGrounds,
  origin: string,
): Promise<void> {
  if (folder === undefined) return
  const wanted = await identityOf(origin, host)
  for (const { manifest } of catalogue().list('StoragePool')) {
    for (const { name, path } of manifest.spec.disks) {
      const found = await identityOf(resolve(folder, path), host).catch(() => undefined)
      if (found !== wanted) continue
      throw new PurlinError('PUR_RESOURCE_IN_USE', {
        message: `${origin} is disk ${name} of pool ${manifest.name}; give the pool a cache instead`,
        context: { users: [`StoragePool ${manifest.name}`] },
      })
    }
  }
}
