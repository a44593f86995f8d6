import type { CacheLock, CacheLockRequest } from '@purlin/schema'
import type { CallOptions, MutationOptions } from './connect/call.ts'
import { carryOut } from './connect/operation.ts'
import type { Transport } from './connect/transport.ts'

/** Devices that lack what the SSDs of their caches have. */
export interface CacheLocks {
  list(options?: CallOptions): Promise<readonly CacheLock[]>
  /** Keeps a device of the agent’s host for its cache; without writeback it is only looked whether
   *  another cache has it. Errors: PUR_CACHE_LOCKED, PUR_RESOURCE_IN_USE. */
  lock(request: CacheLockRequest, options?: MutationOptions): Promise<CacheLock | undefined>
  /** Releases the device of a cache of the agent’s host; one that has none is no error. */
  release(name: string, options?: MutationOptions): Promise<void>
}

/** The locks behind `transport`. */
export function cacheLocksOf(transport: Transport): CacheLocks {
  return {
    list: async (options) => (await carryOut(transport, 'listCacheLocks', { options })).items,
    lock: async (body, options) =>
      (await carryOut(transport, 'lockOrigin', { body, options })).lock,
    release: async (name, options) => {
      await carryOut(transport, 'releaseOrigin', { parts: { name }, options })
    },
  }
}
