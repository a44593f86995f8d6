import { z } from 'zod'
import { resourceName } from '../fields/names.ts'
import type { Operation } from './operation.ts'

const devices = z.array(z.string().min(1)).min(1).max(2)

/** That a device lacks what the SSDs of its cache have: it was not formatted by Purlin, so nothing
 *  on it says so. */
export const cacheLock = z
  .strictObject({
    name: z.string().meta({ description: 'Of the cache, on its host.' }),
    host: z.string(),
    origin: z.string().meta({ description: 'The device: a path on its host or an NBD address.' }),
    identity: z
      .string()
      .meta({ description: 'What tells the device from others, from whichever host.' }),
    devices,
    sinceMs: z.number().meta({ description: 'Milliseconds since 1970.' }),
    risk: z.string(),
  })
  .meta({ id: 'CacheLock' })
export type CacheLock = z.infer<typeof cacheLock>

export const cacheLockRequest = z
  .strictObject({
    name: resourceName,
    origin: z.string().min(1).max(4096),
    devices,
    writeback: z.boolean().meta({
      description: 'false: nothing is kept, and it is only refused what another cache has.',
    }),
  })
  .meta({ id: 'CacheLockRequest' })
export type CacheLockRequest = z.infer<typeof cacheLockRequest>

/** Locks of devices that are cached in writeback and were not formatted by Purlin. */
export const cacheLockOperations = {
  listCacheLocks: {
    method: 'GET',
    path: '/v1/cache-locks',
    summary: 'Devices of the fleet that lack what the SSDs of their caches have.',
    role: 'viewer',
    status: 200,
    answer: z.strictObject({ items: z.array(cacheLock) }),
  },
  lockOrigin: {
    method: 'POST',
    path: '/v1/cache-locks',
    summary: 'Keep a device of this host for its cache, in writeback; refuse what another has.',
    role: 'operator',
    status: 200,
    body: cacheLockRequest,
    answer: z.strictObject({ lock: cacheLock.optional() }),
  },
  releaseOrigin: {
    method: 'DELETE',
    path: '/v1/cache-locks/:name',
    summary: 'Release the device of a cache of this host, which has all that was written.',
    role: 'operator',
    status: 200,
    answer: z.strictObject({}),
  },
} as const satisfies Record<string, Operation>
