import { PurlinError } from '@purlin/base'
import type { Manifest } from '@purlin/schema'

const GIB = 2 ** 30

/** What is seen of the pools that a change has to fit. */
export interface PoolSizes {
  /** What pools can hold of volumes' bytes, by name; a pool that is not seen is not in it. */
  readonly usableBytes: ReadonlyMap<string, number>
  /** Volumes and snapshots as they are, by name. */
  readonly volumeBytes: ReadonlyMap<string, number>
}

/** Refuses volumes that would promise more than their pool's limit, where the change makes it so:
 *  a pool that is over its limit already takes any change that adds nothing. Pure. Errors:
 *  PUR_BLOCK_OVERCOMMIT. */
export function refuseOvercommit(
  before: readonly Manifest[],
  after: readonly Manifest[],
  sizes: PoolSizes,
): void {
  for (const pool of after) {
    if (pool.kind !== 'StoragePool') continue
    const { provisionAtMost } = pool.spec.capacity
    const usable = sizes.usableBytes.get(pool.name)
    if (provisionAtMost === undefined || usable === undefined) continue
    const promised = promisedBytes(after, pool.name, sizes)
    if (promised <= usable * provisionAtMost) continue
    if (promised <= promisedBytes(before, pool.name, sizes)) continue
    const ratio = (promised / usable).toFixed(2)
    throw new PurlinError('PUR_BLOCK_OVERCOMMIT', {
      message: `pool ${pool.name}: its volumes would have ${promised} bytes, ${ratio} times the ${usable} it can hold, and its limit is ${provisionAtMost} times; make smaller volumes, add disks, or raise capacity.provisionAtMost; nothing was applied`,
      context: { pool: pool.name, promised, usable, provisionAtMost },
    })
  }
}

function promisedBytes(manifests: readonly Manifest[], pool: string, sizes: PoolSizes): number {
  return manifests.reduce((sum, manifest) => {
    if (manifest.kind !== 'Volume' || manifest.spec.pool !== pool) return sum
    const { sizeGiB, source } = manifest.spec
    const seen = sizes.volumeBytes.get(manifest.name)
    const first = source === undefined ? 0 : (sizes.volumeBytes.get(source.snapshot) ?? 0)
    return sum + (sizeGiB === undefined ? (seen ?? first) : sizeGiB * GIB)
  }, 0)
}
