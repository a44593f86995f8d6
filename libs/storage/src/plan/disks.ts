import { isAway, missingWithoutName } from '../absent-disks.ts'
import { disksOf, documentsOf, type PoolDocument } from '../configuration/documents.ts'
import type { DiskStatus, PoolStatus } from '../control/messages.ts'
import type { PoolDesired } from '../desired.ts'
import type { StorageObserved } from '../observed.ts'
import type { StorageStep } from './step.ts'
import { CALL_DEADLINE_MS, callStep, free } from './steps.ts'

type WantedDisk = PoolDesired['spec']['disks'][number]

/** What is seen of disks beside the daemon's status. */
export type DisksSeen = Pick<StorageObserved, 'configuration' | 'found' | 'strangers'>

/** The steps that bring a pool's disks about: those that it lacks come or come back, those that are
 *  not wanted any more are emptied and let go of, others are used as the resource says. What takes
 *  its time goes on behind the step, and shows in the status. Pure. */
export function diskSteps(
  { name, spec }: PoolDesired,
  status: PoolStatus,
  seen: DisksSeen,
): StorageStep[] {
  const { engine } = status
  if (engine === undefined || engine.disks.length === 0) return []
  const there = new Map(engine.disks.map((disk) => [disk.name, disk]))
  const lacking = spec.disks.filter((disk) => !there.has(disk.name))
  const nameless = missingWithoutName(status) > 0
  const coming = nameless ? lacking.filter(isNew(name, seen)) : lacking
  const replaced = new Set(coming.flatMap(({ replaces }) => replaces ?? []))
  const wanted = new Map(spec.disks.map((disk) => [disk.name, disk]))
  const busy = engine.disks.some(({ state }) => state === 'leaving' || state === 'joining')
  return [
    ...spec.disks.flatMap((disk) => comeback(name, disk, status, seen)),
    // One change after the other: what is being emptied now may go where the next disk is.
    ...(busy ? [] : arrivals(name, coming, engine.disks)),
    ...engine.disks.flatMap((disk) => {
      const use = wanted.get(disk.name)
      if (use !== undefined) return usage(name, disk, use)
      return disk.state === 'online' && !busy && !replaced.has(disk.name) && lacking.length === 0
        ? [removal(name, disk)]
        : []
    }),
    ...rebalancing(name, spec.rebalance ?? 'automatic', engine.moving?.rebalance),
  ]
}

/** Whether a disk that a pool lacks while it misses some is none of the missing ones: it replaces
 *  another, is a stranger to the daemon, or its file is yet to be made. What else cannot be found
 *  is waited for. Pure. */
function isNew(pool: string, { configuration, found, strangers }: DisksSeen) {
  const standing = new Map(disksOf(poolIn(configuration, pool)).map((disk) => [disk.name, disk]))
  return ({ name, path, replaces, sizeGiB }: WantedDisk): boolean => {
    if (replaces !== undefined || strangers.has(path)) return true
    const written = standing.get(name)
    const isMade = written !== undefined && written.sizeGiB === undefined
    return !found.has(path) && sizeGiB !== undefined && !isMade
  }
}

/** A disk that was away when the pool was opened and can be found. Where the pool does not know how
 *  it was called, only the daemon can tell, which reads what the disk says of itself. Pure. */
function comeback(
  pool: string,
  { name: disk, path, replaces }: WantedDisk,
  status: PoolStatus,
  { found, strangers }: DisksSeen,
): StorageStep[] {
  if (!found.has(path)) return []
  const rest = { pool, disk, path }
  if (isAway(status, disk)) {
    const summary = `use ${disk} of pool ${pool} again, which is back`
    return [{ kind: 'return', ...rest, mayBeNew: false, ...free(summary, CALL_DEADLINE_MS) }]
  }
  const isKnown = status.engine?.disks.some(({ name }) => name === disk) ?? true
  if (isKnown || replaces !== undefined || strangers.has(path)) return []
  if (missingWithoutName(status) === 0) return []
  const summary = `look whether ${disk} is a disk that pool ${pool} misses, and use it again`
  return [{ kind: 'return', ...rest, mayBeNew: true, ...free(summary, CALL_DEADLINE_MS) }]
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

/** The pool with its disks as the daemon's file names them. Those that it still has although nobody
 *  wants them stay until they are let go of, since a new process would miss them. Of those that it
 *  has the size is not said: a file of that size is made where there is none, and a disk that is
 *  away when a process starts must not be made anew in its place. Pure. */
export function withDisksThere(
  desired: PoolDesired,
  status: PoolStatus | undefined,
  configuration: string,
): PoolDesired {
  const standing = disksOf(poolIn(configuration, desired.name))
  const wanted = new Set(desired.spec.disks.map(({ name }) => name))
  const there = status?.engine && new Set(status.engine.disks.map(({ name }) => name))
  // Without an answer it is not known which ones it has.
  const kept = standing.filter(
    ({ name }) => !wanted.has(name) && (there === undefined || there.has(name)),
  )
  const misses = status?.engine === undefined || missingWithoutName(status) > 0
  const made = new Set(misses ? standing.filter(isWithoutSize).map(({ name }) => name) : [])
  const disks = [...desired.spec.disks, ...kept].map((disk) => {
    if (there?.has(disk.name) !== true && !made.has(disk.name)) return disk
    const { sizeGiB: _made, ...rest } = disk
    return rest
  })
  return { ...desired, spec: { ...desired.spec, disks } }
}

function isWithoutSize({ sizeGiB }: WantedDisk): boolean {
  return sizeGiB === undefined
}

function poolIn(configuration: string, pool: string): PoolDocument | undefined {
  return documentsOf(configuration).find(
    ({ kind, name }) => kind === 'StoragePool' && name === pool,
  )
}
