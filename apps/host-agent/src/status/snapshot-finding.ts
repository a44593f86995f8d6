import { PurlinError } from '@purlin/base'
import type { MachineSnapshotSpec, Manifest } from '@purlin/schema'
import type { HostView } from './host-view.ts'
import type { Readiness } from './readiness.ts'

/** Whether a machine could be gone back to a snapshot, by what is seen of its parts. Pure. */
export function snapshotFinding(
  { name, spec }: Manifest<'MachineSnapshot'>,
  { storage }: HostView,
): Readiness {
  if (spec.phase !== 'taken') return { status: 'false', ...UNDER_WAY[spec.phase] }
  if (spec.disks.length > 0 && storage === undefined) {
    const message = 'its disks are on a host whose block daemon was not looked at yet'
    return { status: 'unknown', reason: 'Pending', message }
  }
  if (spec.disks.length > 0 && storage?.trouble !== undefined) {
    return { status: 'false', reason: 'NoDaemon', message: storage.trouble }
  }
  const gone = spec.disks.filter(({ snapshot }) => storage?.volumes.has(snapshot) !== true)
  if (gone.length > 0) {
    const parts = gone.map((disk) => `${disk.snapshot} of volume ${disk.volume}`).join(', ')
    const message = `the block daemon has no more ${parts}; purlin vm snapshot delete ${name}`
    const error = new PurlinError('PUR_SNAPSHOT_DIFFERS', { message })
    return { status: 'false', reason: 'PartsGone', message, error }
  }
  const disks = `${spec.disks.length} disk${spec.disks.length === 1 ? '' : 's'}`
  const message = spec.memoryBytes === undefined ? disks : `${disks} and its memory`
  return { status: 'true', reason: 'Taken', message }
}

const UNDER_WAY: Readonly<
  Record<Exclude<MachineSnapshotSpec['phase'], 'taken'>, Pick<Readiness, 'reason' | 'message'>>
> = {
  asked: { reason: 'Asked', message: 'its host has not begun yet' },
  taking: { reason: 'Taking', message: 'the machine is being kept as it is' },
  reverting: {
    reason: 'Reverting',
    message: 'the disks of its machine become again what they were',
  },
  restoring: { reason: 'Restoring', message: 'its machine starts with the memory it had' },
  removing: { reason: 'Removing', message: 'it goes' },
}
