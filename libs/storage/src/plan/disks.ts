import { documentsOf, type PoolDocument } from '../configuration/documents.ts'
import type { DiskStatus, PoolStatus } from '../control/messages.ts'
import type { PoolDesired } from '../desired.ts'
import type { StorageStep } from './step.ts'
import { callStep } from './steps.ts'

type WantedDisk = PoolDesired['spec']['disks'][number]

/** The steps that bring a pool's disks about: those that are missing from it come, those that are
 *  not wanted any more are emptied and let go of, others are used as the resource says. What takes
 *  its time goes on behind the step, and shows in the status. Pure. */
export function diskSteps({ name, spec }: PoolDesired, { engine }: PoolStatus): StorageStep[] {
  if (engine === undefined || engine.disks.length === 0) return []
  const there = new Map(engine.disks.map((disk) => [disk.name, disk]))
  const coming = spec.disks.filter((disk) => !there.has(disk.name))
  const replaced = new Set(coming.flatMap(({ replaces }) => replaces ?? []))
  const wanted = new Map(spec.disks.map((disk) => [disk.name, disk]))
  const busy = engine.disks.some(({ state }) => state === 'leaving' || state === 'joining')
  return [
    // One change after the other: what is being emptied now may go where the next disk is.
    ...(busy ? [] : arrivals(name, coming, engine.disks)),
    ...engine.disks.flatMap((disk) => {
      const use = wanted.get(disk.name)
      if (use !== undefined) return usage(name, disk, use)
      return disk.state === 'online' && !busy && !replaced.has(disk.name) && coming.length === 0
        ? [removal(name, disk)]
        : []
    }),
    ...rebalancing(name, spec.rebalance ?? 'automatic', engine.moving?.rebalance),
  ]
}

function arrivals(
  pool: string,
  coming: readonly WantedDisk[],
  there: readonly DiskStatus[],
): StorageStep[] {
  const added = coming.filter(({ replaces }) => replaces === undefined)
  const [replacing] = coming.flatMap((disk) => replacement(pool, disk, there))
  if (replacing !== undefined) return [replacing]
  if (added.length === 0) return []
  const disks = added.map(({ name }) => name)
  const summary = `add ${disks.join(', ')} to pool ${pool}`
  return [callStep('disk-add', pool, summary, { pool, disks })]
}

/** A disk that is missing has no name any more: where there is one alone, it is that. */
function replacement(
  pool: string,
  { name: by, replaces }: WantedDisk,
  there: readonly DiskStatus[],
): StorageStep[] {
  if (replaces === undefined) return []
  const missing = there.filter(({ state }) => state === 'missing')
  const old = there.find(({ name }) => name === replaces)
  const disk = old?.name ?? (missing.length === 1 ? missing[0]?.disk : undefined)
  const summary = `put ${by} in the place of ${replaces} in pool ${pool}`
  if (disk === undefined) {
    return [callStep('disk-add', pool, `add ${by} to pool ${pool}`, { pool, disks: [by] })]
  }
  return [callStep('disk-replace', pool, summary, { pool, disk, by, wait: false })]
}

function removal(pool: string, { name: disk }: DiskStatus): StorageStep {
  const summary = `empty ${disk} and take it out of pool ${pool}`
  return callStep('disk-remove', pool, summary, { pool, disk, wait: false })
}

function usage(
  pool: string,
  { name: disk, state }: DiskStatus,
  { use = 'normal' }: WantedDisk,
): StorageStep[] {
  const evacuate = (on: boolean): StorageStep => {
    const summary = on ? `empty ${disk} of pool ${pool}` : `use ${disk} of pool ${pool} again`
    return callStep('disk-evacuate', pool, summary, { pool, disk, on, wait: false })
  }
  const maintain = (on: boolean): StorageStep => {
    const summary = `${on ? 'take' : 'end'} maintenance of ${disk} of pool ${pool}`
    return callStep('disk-maintenance', pool, summary, { pool, disk, on })
  }
  if (state === 'maintenance') return use === 'maintenance' ? [] : [maintain(false)]
  if (state === 'leaving') return use === 'evacuated' ? [] : [evacuate(false)]
  if (state !== 'online') return []
  if (use === 'maintenance') return [maintain(true)]
  return use === 'evacuated' ? [evacuate(true)] : []
}

function rebalancing(
  pool: string,
  wanted: 'automatic' | 'paused',
  found: 'idle' | 'running' | 'paused' | 'held' | undefined,
): StorageStep[] {
  const on = wanted === 'paused'
  const isHeld = found === 'paused' || found === 'held'
  if (found === undefined || on === isHeld) return []
  const summary = `${on ? 'hold' : 'go on with'} the rebalance of pool ${pool}`
  return [callStep('pool-rebalance-pause', pool, summary, { pool, on })]
}

/** The pool with the disks that it still has although nobody wants them: the daemon's file names
 *  them until they are let go of, since a new process of it would miss them. Pure. */
export function withDisksThere(
  desired: PoolDesired,
  status: PoolStatus | undefined,
  configuration: string,
): PoolDesired {
  const standing = documentsOf(configuration).find(
    ({ kind, name }) => kind === 'StoragePool' && name === desired.name,
  )
  const wanted = new Set(desired.spec.disks.map(({ name }) => name))
  const there = status?.engine && new Set(status.engine.disks.map(({ name }) => name))
  // Without an answer it is not known which ones it has.
  const kept = disksOf(standing).filter(
    ({ name }) => !wanted.has(name) && (there === undefined || there.has(name)),
  )
  if (kept.length === 0) return desired
  return { ...desired, spec: { ...desired.spec, disks: [...desired.spec.disks, ...kept] } }
}

function disksOf(document: PoolDocument | undefined): readonly WantedDisk[] {
  const disks = document?.spec.disks
  return Array.isArray(disks) ? (disks as readonly WantedDisk[]) : []
}
