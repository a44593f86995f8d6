import type { PoolDocument } from '../configuration/documents.ts'
import type { PoolDesired } from '../desired.ts'
import type { StorageStep } from './step.ts'
import { callStep } from './steps.ts'

type PoolCache = PoolDesired['spec']['cache']

/** The steps that exchange SSDs of a pool's cache in use: new ones are filled before others go. A
 *  cache that comes or goes as a whole does so when the daemon is started anew. Pure. Shape:
 *  `before` is the pool as the daemon's file has it. */
export function cacheDeviceSteps(
  { name, spec }: PoolDesired,
  before: PoolDocument | undefined,
): StorageStep[] {
  const former = before?.spec.cache as PoolCache
  if (spec.cache === undefined || former === undefined) return []
  const { devices } = spec.cache
  const has = (all: typeof devices, path: string): boolean => all.some((each) => each.path === path)
  const added = devices.filter(({ path }) => !has(former.devices, path))
  const removed = former.devices.filter(({ path }) => !has(devices, path))
  return [
    ...added.map(({ path, sizeGiB }) =>
      callStep('cache-device-add', name, `fill SSD ${path} for the cache of pool ${name}`, {
        pool: name,
        device: path,
        ...(sizeGiB !== undefined && { sizeBytes: Math.ceil(sizeGiB * 2 ** 30) }),
      }),
    ),
    ...removed.map(({ path }) =>
      callStep('cache-device-remove', name, `let go of SSD ${path} of pool ${name}’s cache`, {
        pool: name,
        device: path,
      }),
    ),
  ]
}
