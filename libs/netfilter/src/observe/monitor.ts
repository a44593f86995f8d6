import type { Clock } from '@purlin/base'
import { NFT_PROGRAM, TABLE_NAME, tableFamilies } from '../target/names.ts'
import type { FollowLines } from './follow.ts'

export interface MonitorOptions {
  readonly follow: FollowLines
  readonly clock: Clock
  /** A committed change named one of our tables, ours or not; or changes may have been missed. */
  readonly onTouched: () => void
  readonly signal: AbortSignal
}

const BACKOFF_FIRST_MS = 100
const BACKOFF_LAST_MS = 10_000
/** Until a monitor that was just started listens for sure. */
const START_MS = 300
/** A monitor that lived this long was a good one; the next failure starts at the first back-off. */
const GOOD_LIFE_MS = 60_000

/** Follows `nft monitor` until the signal is aborted, and starts it again when it ends, with a
 *  bounded back-off. Changes of other tables cost nothing: a transaction is reported as a
 *  whole, and only one that names our tables is passed on. Whose it was is not asked: process
 *  ids of another pid namespace show as 0, so the listener compares what the kernel holds. */
export class RulesetMonitor {
  readonly #options: MonitorOptions
  #listening = false

  constructor(options: MonitorOptions) {
    this.#options = options
  }

  /** Whether every change is being heard of. */
  get listening(): boolean {
    return this.#listening
  }

  /** Runs until the signal is aborted. */
  async run(): Promise<void> {
    const { clock, signal } = this.#options
    let backoffMs = BACKOFF_FIRST_MS
    while (!signal.aborted) {
      const startedMs = clock.monotonicMs()
      await this.#follow()
      if (clock.monotonicMs() - startedMs > GOOD_LIFE_MS) backoffMs = BACKOFF_FIRST_MS
      await clock.sleep(backoffMs, signal).catch(() => undefined)
      backoffMs = Math.min(backoffMs * 2, BACKOFF_LAST_MS)
    }
  }

  async #follow(): Promise<void> {
    const { follow, clock, onTouched, signal } = this.#options
    const life = new AbortController()
    const names = tableFamilies.map((table) => new RegExp(` ${table} ${TABLE_NAME}(?: |$)`))
    let touched = false
    const onLine = (line: string): void => {
      if (names.some((name) => name.test(line)) || line.includes('lost')) touched = true
      if (!line.startsWith('# ') || !touched) return
      touched = false
      onTouched()
    }
    const started = clock.sleep(START_MS, life.signal).then(
      () => {
        this.#listening = true
        onTouched()
      },
      () => undefined,
    )
    await follow(NFT_PROGRAM, ['monitor'], onLine, signal)
    this.#listening = false
    life.abort()
    await started
  }
}
