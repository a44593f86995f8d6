import type { Clock } from '@purlin/base'
import type { Bmc, PowerState } from '@purlin/bmc'

/** Calls of BMCs at once; the pool of commands has as many places. */
const AT_ONCE = 16
/** A BMC that is away must not hold a place for long. */
const CALL_DEADLINE_MS = 20_000

const VAIN_TOLD = 3

/** What the last look at a chassis' power gave. */
export interface PowerReading {
  readonly power: PowerState | 'unknown'
  readonly atMs: number
  /** Why it is not known. */
  readonly trouble?: string
  /** Looks in vain, one after the other. */
  readonly vain: number
}

export interface PowerPollOptions {
  readonly clock: Clock
  /** Between two looks at one chassis. */
  readonly everyMs: number
  chassis(): readonly string[]
  bmcOf(chassis: string): Promise<Bmc>
  /** The same power was seen twice in a row. */
  onSeen(chassis: string, power: PowerState): void
  /** Its BMC answered nothing three times in a row; told once until it is back. */
  onAway(chassis: string, thrown: unknown): void
  onBack(chassis: string): void
}

/** Looks at the power of every enrolled chassis, all in one round, sixteen at once. Nothing is
 *  written where nothing has changed. */
export class PowerPoll {
  readonly #options: PowerPollOptions
  readonly #readings = new Map<string, PowerReading>()
  readonly #stopping = new AbortController()
  #ended: Promise<void> = Promise.resolve()

  constructor(options: PowerPollOptions) {
    this.#options = options
  }

  start(): void {
    this.#ended = this.#rounds()
  }

  reading(chassis: string): PowerReading | undefined {
    return this.#readings.get(chassis)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#ended
  }

  /** One round, then the rest of the time; a round that takes longer is followed by the next. */
  async #rounds(): Promise<void> {
    const { clock, everyMs } = this.#options
    const { signal } = this.#stopping
    while (!signal.aborted) {
      const beganMs = clock.monotonicMs()
      await this.#round(this.#options.chassis())
      const leftMs = Math.max(1_000, everyMs - (clock.monotonicMs() - beganMs))
      await clock.sleep(leftMs, signal).catch(() => {})
    }
  }

  async #round(names: readonly string[]): Promise<void> {
    for (const known of this.#readings.keys()) {
      if (!names.includes(known)) this.#readings.delete(known)
    }
    const waiting = names.values()
    const work = async (): Promise<void> => {
      for (const name of waiting) {
        if (this.#stopping.signal.aborted) return
        await this.#look(name)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
  }

  async #look(chassis: string): Promise<void> {
    const { clock, bmcOf, onSeen, onAway, onBack } = this.#options
    const former = this.#readings.get(chassis)
    try {
      const bmc = await bmcOf(chassis)
      const { signal } = this.#stopping
      const power = await bmc.powerState({ deadlineMs: CALL_DEADLINE_MS, signal })
      this.#readings.set(chassis, { power, atMs: clock.nowMs(), vain: 0 })
      if ((former?.vain ?? 0) >= VAIN_TOLD) onBack(chassis)
      if (former?.power === power) onSeen(chassis, power)
    } catch (thrown) {
      const trouble = thrown instanceof Error ? thrown.message : String(thrown)
      const vain = (former?.vain ?? 0) + 1
      this.#readings.set(chassis, { power: 'unknown', atMs: clock.nowMs(), trouble, vain })
      if (vain === VAIN_TOLD && !this.#stopping.signal.aborted) onAway(chassis, thrown)
    }
  }
}
