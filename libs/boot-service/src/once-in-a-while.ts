import type { Clock } from '@purlin/base'

/** As many keys are remembered; what was told longest ago goes first. */
const KEY_LIMIT = 1_024

/** Lets something through once in a while for each key, so that a flood of the same is one line. */
export class OnceInAWhile {
  readonly #intervalMs: number
  readonly #clock: Clock
  readonly #toldMs = new Map<string, number>()

  constructor(intervalMs: number, clock: Clock) {
    this.#intervalMs = intervalMs
    this.#clock = clock
  }

  /** Whether it is time for the key; then it is not again for the interval. */
  passes(key: string): boolean {
    const nowMs = this.#clock.monotonicMs()
    const toldMs = this.#toldMs.get(key)
    if (toldMs !== undefined && nowMs - toldMs < this.#intervalMs) return false
    this.#toldMs.delete(key)
    this.#toldMs.set(key, nowMs)
    if (this.#toldMs.size > KEY_LIMIT) {
      for (const oldest of this.#toldMs.keys()) {
        this.#toldMs.delete(oldest)
        break
      }
    }
    return true
  }
}
