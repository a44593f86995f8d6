import { PurlinError } from '@purlin/base'
import type { ControlClient } from '@purlin/storage'
import type { SnapshotRecord } from './record.ts'

const CALL_DEADLINE_MS = 30_000

/** Makes the volumes of a machine that is off what its snapshot has. Doing it again changes
 *  nothing, so that one that was cut off is begun anew. Errors: PUR_SNAPSHOT_DIFFERS before
 *  anything is changed where a part is gone, PUR_KIND_NOT_SERVED, and those of the block daemon. */
export async function rollBack(
  daemon: Pick<ControlClient, 'call' | 'status'> | undefined,
  { manifest: { name, spec } }: SnapshotRecord,
  signal: AbortSignal,
): Promise<void> {
  if (spec.disks.length === 0) return
  if (daemon === undefined) {
    const message = `snapshot ${name}: its host has no [storage] in its configuration any more`
    throw new PurlinError('PUR_KIND_NOT_SERVED', { message })
  }
  const call = { deadlineMs: CALL_DEADLINE_MS, signal }
  const { pools } = await daemon.status(call)
  const silent = pools.filter(({ engine }) => engine === undefined).map((pool) => pool.name)
  const there = new Set(
    pools.flatMap(({ engine }) => (engine?.volumes ?? []).map((volume) => volume.name)),
  )
  const gone = spec.disks.filter(
    ({ snapshot, volume }) => !there.has(snapshot) || !there.has(volume),
  )
  if (gone.length > 0) {
    const parts = gone.map(({ volume, snapshot }) => `${volume} (${snapshot})`).join(', ')
    // A pool that does not answer may have them all the same.
    const away = silent.length > 0
    throw new PurlinError(away ? 'PUR_BLOCK_UNREACHABLE' : 'PUR_SNAPSHOT_DIFFERS', {
      message: away
        ? `snapshot ${name}: pools ${silent.join(', ')} do not answer, which may have ${parts}`
        : `snapshot ${name}: the block daemon has no more what it had of ${parts}; it cannot be gone back to: purlin vm snapshot delete ${name}`,
      context: { snapshot: name },
    })
  }
  for (const { volume, snapshot } of spec.disks) {
    await daemon.call('volume-rollback', { name: volume, snapshot }, call)
  }
}
