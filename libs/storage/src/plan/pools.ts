import { configurationText, documentsOf, type PoolDocument } from '../configuration/documents.ts'
import type { PoolStatus } from '../control/messages.ts'
import type { PoolDesired, StorageDesired } from '../desired.ts'
import type { StorageObserved } from '../observed.ts'
import { cacheDeviceSteps } from './cache-devices.ts'
import { diskSteps, withDisksThere } from './disks.ts'
import { standingSteps } from './standing.ts'
import type { StorageStep } from './step.ts'
import { CONFIGURE_DEADLINE_MS, callStep, free } from './steps.ts'

/** The steps that bring pools about: the configuration file, a new process where other pools are
 *  to be served, redundancy and recovery in use. Pure. */
export function planPools(desired: StorageDesired, observed: StorageObserved): StorageStep[] {
  const standing = documentsOf(observed.configuration)
  const served = observed.daemon?.pools ?? []
  const wanted = new Set(desired.pools.map(({ name }) => name))
  // Without an answer it is not known what a pool holds.
  const isKept = (name: string): boolean =>
    observed.daemon === undefined || holdsVolumes(name, served)
  const kept = standing.filter(
    ({ kind, name }) => kind === 'StoragePool' && !wanted.has(name) && isKept(name),
  )
  const pools = desired.pools.map((pool) =>
    withDisksThere(
      pool,
      served.find(({ name }) => name === pool.name),
      observed.configuration,
    ),
  )
  const text = configurationText({ ...desired, pools }, kept)
  const names = new Set([...wanted, ...kept.map(({ name }) => name)])
  const isNew = desired.pools.length > 0 || standing.length > 0
  const steps: StorageStep[] = []
  const servesOthers =
    observed.daemon !== undefined &&
    (served.length !== names.size || served.some(({ name }) => !names.has(name)))
  if (isNew && (text !== observed.configuration || servesOthers)) {
    const summary = servesOthers
      ? `serve pools ${[...names].join(', ') || 'none'} by a new process of the block daemon`
      : 'write the configuration of the block daemon'
    const rest = free(summary, CONFIGURE_DEADLINE_MS)
    steps.push({ kind: 'configure', text, restart: servesOthers, ...rest })
  }
  for (const pool of desired.pools) {
    const status = served.find(({ name }) => name === pool.name)
    if (status?.engine === undefined) continue
    steps.push(
      ...changesInUse(pool, status, standing),
      ...cacheDeviceSteps(
        pool,
        standing.find(({ kind, name }) => kind === 'StoragePool' && name === pool.name),
      ),
      ...standingSteps(desired.topologies, pool, status),
      ...diskSteps(pool, status, observed),
    )
  }
  return steps
}

function holdsVolumes(pool: string, served: readonly PoolStatus[]): boolean {
  return (served.find(({ name }) => name === pool)?.engine?.volumes.length ?? 0) > 0
}

function changesInUse(
  { name, spec }: PoolDesired,
  { engine }: PoolStatus,
  standing: readonly PoolDocument[],
): StorageStep[] {
  const { redundancy, recovery, cache } = spec
  const policy = policyText(redundancy)
  const before = standing.find((each) => each.kind === 'StoragePool' && each.name === name)
  const modeBefore = (before?.spec.cache as typeof cache)?.mode
  const speedBefore = (before?.spec.recovery as typeof recovery | undefined)?.speed
  return [
    ...(engine?.policy === policy
      ? []
      : [
          callStep('pool-policy', name, `change pool ${name} from ${engine?.policy} to ${policy}`, {
            pool: name,
            redundancy,
          }),
        ]),
    ...(speedBefore === undefined || speedBefore === recovery.speed
      ? []
      : [
          callStep('pool-recovery-speed', name, `let pool ${name} recover at ${recovery.speed}`, {
            pool: name,
            speed: recovery.speed,
          }),
        ]),
    // A cache that comes or goes does so when the daemon is started anew.
    ...(cache === undefined || modeBefore === undefined || modeBefore === cache.mode
      ? []
      : [
          callStep('cache-mode', name, `switch the cache of pool ${name} to ${cache.mode}`, {
            pool: name,
            mode: cache.mode,
          }),
        ]),
  ]
}

/** A redundancy as the daemon writes it: `replicas 3`, `4+2:1`. Pure. */
export function policyText(redundancy: PoolDesired['spec']['redundancy']): string {
  return 'erasure' in redundancy ? redundancy.erasure : `replicas ${redundancy.replicas}`
}
