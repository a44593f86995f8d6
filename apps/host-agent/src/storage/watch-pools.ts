import type { Clock } from '@purlin/base'
import { callCache } from '@purlin/cache-native'
import type { NewEvent } from '@purlin/schema'
import type { Alerts, Catalogue } from '@purlin/service'
import type { ControlClient, ScrubRecord } from '@purlin/storage'
import type { PoolSizes } from '../admit/provisioned.ts'
import type { HostState } from '../status/host-state.ts'
import type { HostView } from '../status/host-view.ts'
import { watchCaches } from './cache-watch.ts'
import { FillWatch } from './fill-watch.ts'
import { Scrubber } from './scrubber.ts'

export interface PoolWatchOptions {
  readonly clock: Clock
  readonly daemon: Pick<ControlClient, 'call'>
  /** The daemon's folder of sockets. */
  readonly sockets: string
  readonly stateFolder: string
  readonly catalogue: () => Catalogue
  readonly state: HostState
  readonly alerts: Alerts
  readonly tell: (event: NewEvent) => void
  /** A scrub began or ended. */
  readonly onChange: () => void
  readonly onTrouble: (thrown: unknown) => void
  readonly signal: AbortSignal
}

/** What others ask of it. */
export interface PoolWatch {
  scrubOf(pool: string): ScrubRecord | undefined
  /** Begins a scrub by hand. Errors: PUR_BLOCK_INVALID where one runs. */
  scrub(pool: string, deep: boolean): void
}

const ASK_DEADLINE_MS = 5_000

/** Looks after this host's pools beside their lane: scrubs them when they are due, and tells how
 *  full they become and what is wrong with their caches. */
export async function watchPools(options: PoolWatchOptions): Promise<PoolWatch> {
  const { catalogue, state, alerts, tell, signal, stateFolder, sockets, clock } = options
  const served = (view: HostView) =>
    catalogue()
      .list('StoragePool')
      .flatMap(({ manifest: { name, spec } }) => {
        const health = view.storage?.pools.get(name)
        return health?.phase === 'running' ? [{ name, spec, health }] : []
      })
  const fill = new FillWatch(tell, alerts)
  const forget = state.subscribe((view) => {
    for (const { name, spec, health } of served(view)) fill.see(name, spec, health)
    const wanted = catalogue()
      .list('StoragePool')
      .some(({ manifest }) => manifest.spec.engine === 'local')
    tellDaemon(alerts, wanted ? view.storage?.trouble : undefined)
  })
  signal.addEventListener('abort', forget, { once: true })
  const scrubber = await Scrubber.open({
    ...options,
    file: `${stateFolder}/scrubs.json`,
    pools: () => served(state.view()),
  })
  void scrubber.run(signal)
  const cached = (): string[] =>
    served(state.view()).flatMap(({ name, spec }) => (spec.cache === undefined ? [] : [name]))
  const layersOf = async (pool: string, until: AbortSignal) => {
    const call = { deadlineMs: ASK_DEADLINE_MS, signal: until }
    return (await callCache(sockets, 'cache-status', { pool }, call)).layers
  }
  void watchCaches({ clock, alerts, pools: cached, layersOf }, signal)
  return {
    scrubOf: (pool) => scrubber.record(pool),
    scrub: (pool, deep) => scrubber.begin(pool, deep, signal),
  }
}

/** Where no daemon answers its lane only waits, so this says it. */
function tellDaemon(alerts: Alerts, trouble: string | undefined): void {
  const subject = { kind: 'Daemon', name: 'purlin-blockd' }
  if (trouble === undefined) alerts.clear(subject)
  else {
    const code = 'PUR_BLOCK_UNREACHABLE'
    alerts.raise({ code, severity: 'critical', subject, message: trouble })
  }
}

/** How large pools and volumes are seen to be. Pure. */
export function poolSizes({ storage }: HostView): PoolSizes {
  const pools = [...(storage?.pools ?? [])]
  const volumes = [...(storage?.volumes ?? [])]
  return {
    usableBytes: new Map(
      pools.flatMap(([name, { phase, usableBytes }]) =>
        phase === 'running' ? [[name, usableBytes] as const] : [],
      ),
    ),
    volumeBytes: new Map(volumes.map(([name, { sizeBytes }]) => [name, sizeBytes] as const)),
  }
}
