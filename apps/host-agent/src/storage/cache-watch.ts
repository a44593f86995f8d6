import type { Clock } from '@purlin/base'
import type { CacheLayer } from '@purlin/cache-native'
import type { Alert } from '@purlin/schema'
import type { Alerts } from '@purlin/service'

const LOOK_EVERY_MS = 10_000

type Fault = Pick<Alert, 'code' | 'severity' | 'message'>

/** The codes that this watch raises, each of which stands for itself. */
const CODES = ['PUR_CACHE_LOST', 'PUR_CACHE_SSD', 'PUR_CACHE_REFUSED'] as const

/** What is wrong with the caches of a pool, at most one fault of a code. Pure. */
export function cacheFaults(pool: string, layers: readonly CacheLayer[]): readonly Fault[] {
  const faults: Fault[] = []
  const lostBytes = layers.reduce((sum, layer) => sum + layer.lostBytes, 0)
  if (lostBytes > 0) {
    faults.push({
      code: 'PUR_CACHE_LOST',
      severity: 'critical',
      message: `${lostBytes} bytes of pool ${pool} were in its cache alone and cannot be read any more; \`purlin cache status ${pool}\` lists where, restore them, or accept the loss by \`purlin cache accept-loss ${pool}\``,
    })
  }
  const refused = layers.find(({ phase }) => phase === 'refused')
  if (refused !== undefined) {
    faults.push({
      code: 'PUR_CACHE_REFUSED',
      severity: 'critical',
      message: `the cache of ${refused.origin} in pool ${pool} is not in use: ${refused.error?.message ?? 'the daemon says no reason'}`,
    })
  }
  const short = layers.filter(
    ({ phase, devices, devicesInUse }) => phase === 'running' && devicesInUse < devices.length,
  )
  if (short[0] !== undefined) {
    const { origin, devices, devicesInUse } = short[0]
    const none = devicesInUse === 0
    faults.push({
      code: 'PUR_CACHE_SSD',
      severity: none ? 'critical' : 'warning',
      message: `${devicesInUse} of ${devices.length} SSDs of the cache of ${origin} in pool ${pool} are in use${none ? ', so it caches nothing' : ', so what is dirty has one copy'}; replace the one that failed by another of cache.devices`,
    })
  }
  return faults
}

export interface CacheWatchOptions {
  readonly clock: Clock
  readonly alerts: Pick<Alerts, 'raise' | 'clear'>
  /** Names of the pools that serve with a cache. */
  readonly pools: () => readonly string[]
  readonly layersOf: (pool: string, signal: AbortSignal) => Promise<readonly CacheLayer[]>
}

/** Tells of SSDs that dropped out, caches that were refused and pages that were lost, as long as
 *  that is so. A daemon that does not answer says nothing of its caches; that it is silent is an
 *  alert of its own. */
export async function watchCaches(options: CacheWatchOptions, signal: AbortSignal): Promise<void> {
  const seen = new Set<string>()
  while (!signal.aborted) {
    await lookAtCaches(options, seen, signal)
    await options.clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined)
  }
}

/** Looks once. Shape: `seen` holds the pools that had a cache at the look before. */
export async function lookAtCaches(
  { alerts, pools, layersOf }: Omit<CacheWatchOptions, 'clock'>,
  seen: Set<string>,
  signal: AbortSignal,
): Promise<void> {
  const now = new Set(pools())
  const tell = (pool: string, faults: readonly Fault[]): void => {
    const subject = { kind: 'StoragePool', name: pool }
    for (const code of CODES) {
      const fault = faults.find((one) => one.code === code)
      if (fault === undefined) alerts.clear(subject, code)
      else alerts.raise({ ...fault, subject })
    }
  }
  for (const pool of now) {
    const layers = await layersOf(pool, signal).catch(() => undefined)
    if (layers !== undefined) tell(pool, cacheFaults(pool, layers))
  }
  for (const pool of seen) if (!now.has(pool)) tell(pool, [])
  seen.clear()
  for (const pool of now) seen.add(pool)
}
