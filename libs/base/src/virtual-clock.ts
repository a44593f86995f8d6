import type { Clock } from './clock.ts'

/** A clock that moves only when told to; for tests of anything that waits. */
export interface VirtualClock extends Clock {
  /** Moves time on by `durationMs`, waking sleepers in the order of their times. Between two
   *  wakings pending promises run, so that a sleeper may sleep again within the same move. */
  advance(durationMs: number): Promise<void>
  /** How many sleepers wait. */
  sleepers(): number
}

interface Sleeper {
  readonly wakesAtMs: number
  readonly wake: () => void
}

/** Makes a clock that starts at `startMs` (milliseconds since 1970) and stands still. */
export function createVirtualClock(startMs = 0): VirtualClock {
  let elapsedMs = 0
  const sleepers = new Set<Sleeper>()
  const earliest = (untilMs: number): Sleeper | undefined =>
    [...sleepers]
      .filter((sleeper) => sleeper.wakesAtMs <= untilMs)
      .reduce<Sleeper | undefined>(
        (best, each) => (best === undefined || each.wakesAtMs < best.wakesAtMs ? each : best),
        undefined,
      )
  return {
    nowMs: () => startMs + elapsedMs,
    monotonicMs: () => elapsedMs,
    sleepers: () => sleepers.size,
    sleep: (durationMs, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) {
          reject(signal.reason)
          return
        }
        const settle = (): void => {
          sleepers.delete(sleeper)
          signal?.removeEventListener('abort', giveUp)
        }
        const giveUp = (): void => {
          settle()
          reject(signal?.reason)
        }
        const sleeper = {
          wakesAtMs: elapsedMs + Math.max(0, durationMs),
          wake: () => {
            settle()
            resolve()
          },
        }
        sleepers.add(sleeper)
        signal?.addEventListener('abort', giveUp, { once: true })
      }),
    advance: async (durationMs) => {
      const untilMs = elapsedMs + durationMs
      await pendingPromises()
      for (let next = earliest(untilMs); next !== undefined; next = earliest(untilMs)) {
        elapsedMs = Math.max(elapsedMs, next.wakesAtMs)
        next.wake()
        await pendingPromises()
      }
      elapsedMs = untilMs
    },
  }
}

/** Lets every promise that can settle without time passing do so. */
function pendingPromises(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
