import type { FrameHistory } from '@purlin/service'
import type { ExportedInstance } from './export.ts'
import type { Sample } from './exposition/parse.ts'
import type { KeyPool } from './history/key-pool.ts'

/** One instance that pushes: what it said last, and its history. */
export class Watched {
  readonly history: FrameHistory
  lastPushMs: number | undefined
  /** While a push of it is taken in. */
  busy = false
  #keys: readonly string[] | undefined
  #values = new Float64Array(0)

  constructor(history: FrameHistory, lastPushMs: number | undefined) {
    this.history = history
    this.lastPushMs = lastPushMs
  }

  /** Takes a push over. Errors: those of the file system; the newest values are then new, and the
   *  history has a gap. */
  async take(samples: readonly Sample[], pool: KeyPool, timeMs: number): Promise<void> {
    const former = this.#keys
    const same =
      former !== undefined &&
      former.length === samples.length &&
      samples.every(({ key }, index) => key === former[index])
    const keys = same ? former : samples.map(({ key }) => pool.one(key))
    this.#keys = keys
    this.#values = Float64Array.from(samples, ({ value }) => value)
    this.lastPushMs = timeMs
    await this.history.add(timeMs, keys, this.#values)
  }

  /** The newest values; after a start of ours those of the history. */
  async latest(): Promise<{ keys: readonly string[]; values: Float64Array }> {
    if (this.#keys !== undefined) return { keys: this.#keys, values: this.#values }
    return (await this.history.last()) ?? { keys: [], values: new Float64Array(0) }
  }

  /** As {@link latest}, if it has pushed since our start. */
  exported(of: { instance: string; chassis: string }): ExportedInstance | undefined {
    const { instance, chassis } = of
    return this.#keys === undefined
      ? undefined
      : { instance, chassis, keys: this.#keys, values: this.#values }
  }
}
