import { type Clock, type Fact, type LaneStep, PurlinError, toPurlinError } from '@purlin/base'
import type { LaneHealth } from '@purlin/schema'
import { FactBoard } from './fact-board.ts'
import type { AnyLane } from './lane.ts'
import { LaneRunner } from './lane-runner.ts'
import type { ReconcileLog } from './log.ts'

export type { ReconcileLog, ReconcileLogEntry } from './log.ts'

export interface ReconcilerOptions {
  /** Each with a name of its own. */
  readonly lanes: readonly AnyLane[]
  readonly clock: Clock
  /** Every lane looks again after so long, whatever its driver noticed. */
  readonly resyncMs: number
  /** What happens when the host differs although nothing new is desired. */
  readonly drift: 'repair' | 'report'
  readonly log?: ReconcileLog
  readonly maxBackoffMs: number
}

export interface LanePlan {
  readonly lane: string
  readonly steps: readonly LaneStep[]
  /** Why the lane could not be looked at; its steps are not known then. */
  readonly error?: PurlinError
}

/** The running loop. */
export interface Reconciler {
  /** Something may have changed: every lane, or the named one, makes a pass. The driver's first
   *  call is made before this returns where the lane is idle. */
  wake(reason: string, lane?: string): void
  health(): readonly LaneHealth[]
  /** Every fact the lanes last saw. */
  facts(): ReadonlySet<Fact>
  /** What each lane would do for what `desiredOf` gives (absent: what is desired now), from a fresh
   *  observation. Executes nothing. A lane that cannot be looked at says why in its own row:
   *  PUR_LANE_STUCK, PUR_LANE_BUSY, those of its driver. */
  plan(desiredOf?: (lane: string) => unknown): Promise<readonly LanePlan[]>
  /** The revision at which the lane last found nothing to do, -1 before the first time. */
  convergedRevision(lane: string): number
  /** Resolves when every lane has converged at the revision or a later one. Errors:
   *  PUR_CANCELLED. */
  whenConverged(revision: number, signal?: AbortSignal): Promise<void>
  /** Ends the loop; the host stays as it is. Calls under way are given up. */
  stop(): Promise<void>
}

/** Starts the loop; every lane makes its first pass at once. */
export function startReconciler(options: ReconcilerOptions): Reconciler {
  const { clock, drift, maxBackoffMs, resyncMs, log = () => {} } = options
  const stopping = new AbortController()
  const names = options.lanes.map(({ driver }) => driver.lane)
  if (new Set(names).size !== names.length) throw new TypeError(`lanes share a name: ${names}`)
  const waiting = new Set<() => void>()
  const onConverged = (): void => {
    for (const look of [...waiting]) look()
  }
  const board = new FactBoard(names, (changed) => {
    for (const [name, runner] of runners) if (name !== changed) runner.factsChanged()
  })
  const runners = new Map(
    options.lanes.map((setup) => {
      const stop = stopping.signal
      const own = { setup, board, clock, drift, maxBackoffMs, log, stop, onConverged }
      return [setup.driver.lane, new LaneRunner(own)] as const
    }),
  )
  const runnerOf = (lane: string) => {
    const runner = runners.get(lane)
    if (runner === undefined) throw new TypeError(`no lane ${lane}; there are ${names}`)
    return runner
  }
  const reconciler: Reconciler = {
    wake: (_reason, lane) => {
      for (const runner of lane === undefined ? runners.values() : [runnerOf(lane)]) runner.wake()
    },
    health: () => [...runners.values()].map((runner) => runner.health()),
    facts: () => board.facts(),
    plan: async (desiredOf) =>
      await Promise.all(
        [...runners].map(async ([lane, runner]): Promise<LanePlan> => {
          try {
            return { lane, steps: await runner.plan(desiredOf && { value: desiredOf(lane) }) }
          } catch (thrown) {
            return { lane, steps: [], error: toPurlinError(thrown) }
          }
        }),
      ),
    convergedRevision: (lane) => runnerOf(lane).convergedRevision,
    whenConverged: (revision, signal) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const behind = [...runners.values()].some((one) => one.convergedRevision < revision)
          if (!behind) settle(resolve)
        }
        const settle = (then: () => void): void => {
          waiting.delete(look)
          signal?.removeEventListener('abort', giveUp)
          stopping.signal.removeEventListener('abort', giveUp)
          then()
        }
        const giveUp = (): void =>
          settle(() => reject(notConverged(revision, names, (name) => runnerOf(name))))
        if (signal?.aborted === true || stopping.signal.aborted) {
          giveUp()
          return
        }
        signal?.addEventListener('abort', giveUp, { once: true })
        stopping.signal.addEventListener('abort', giveUp, { once: true })
        waiting.add(look)
        look()
      }),
    stop: async () => {
      stopping.abort()
      await Promise.all([...runners.values()].map((runner) => runner.stopped()))
    },
  }
  for (const { driver } of options.lanes) {
    driver.watch?.((reason) => reconciler.wake(reason, driver.lane), stopping.signal)
  }
  resync(clock, resyncMs, () => reconciler.wake('resync'), stopping.signal)
  reconciler.wake('start')
  return reconciler
}

function resync(clock: Clock, resyncMs: number, wake: () => void, signal: AbortSignal): void {
  const next = (): void => {
    wake()
    resync(clock, resyncMs, wake, signal)
  }
  clock.sleep(resyncMs, signal).then(next, () => {})
}

function notConverged(
  revision: number,
  lanes: readonly string[],
  runnerOf: (lane: string) => { readonly convergedRevision: number },
): PurlinError {
  const behind = lanes.filter((lane) => runnerOf(lane).convergedRevision < revision)
  return new PurlinError('PUR_CANCELLED', {
    message: `wait for revision ${revision}: given up while these lanes were not there yet: ${behind.join(', ') || 'none'}`,
    context: { revision, behind },
  })
}
