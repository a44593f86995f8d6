import { setTimeout as delay } from 'node:timers/promises'

/** The seam to time: tests hand in their own. */
export interface Clock {
  /** Wall time, milliseconds since 1970. For what people read, never for measuring. */
  nowMs(): number
  /** Milliseconds of a clock that never goes back. */
  monotonicMs(): number
  /** Resolves after `durationMs`; rejects with the signal's reason when it is aborted first. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>
}

/** The machine's own clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: async (durationMs, signal) => {
    try {
      await delay(durationMs, undefined, signal === undefined ? {} : { signal })
    } catch (thrown) {
      throw signal?.aborted === true ? signal.reason : thrown
    }
  },
}
