import type { Clock } from '@purlin/base'
import type { NewEvent } from '@purlin/schema'
import type { EventLog } from '@purlin/store'

/** Events of one change come together; waiting for them makes one write of several, and keeps that
 *  write out of the way of the change itself. */
const GATHER_MS = 20

/** Writes events down, in the order in which they were told. */
export class EventTeller {
  readonly #events: EventLog
  readonly #clock: Clock
  readonly #onLost: (thrown: unknown) => void
  #gathered: NewEvent[] = []
  #writing: Promise<void> | undefined

  constructor(events: EventLog, clock: Clock, onLost: (thrown: unknown) => void) {
    this.#events = events
    this.#clock = clock
    this.#onLost = onLost
  }

  tell(event: NewEvent): void {
    this.#gathered.push(event)
    this.#writing ??= this.#write()
  }

  /** Resolves when all that was told is written. */
  async flushed(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
  }

  async #write(): Promise<void> {
    await this.#clock.sleep(GATHER_MS)
    const events = this.#gathered
    this.#gathered = []
    try {
      await this.#events.append(events)
    } catch (thrown) {
      this.#onLost(thrown)
    }
    this.#writing = this.#gathered.length > 0 ? this.#write() : undefined
  }
}
