import { type Clock, PurlinError } from '@purlin/base'
import type { NewEvent } from '@purlin/schema'
import type { EventLog } from '@purlin/store'

/** Events of one change come together; waiting for them makes one write of several, and keeps that
 *  write out of the way of the change itself. */
const GATHER_MS = 20
/** Events kept while the fleet's store is away. */
const KEPT_EVENTS = 5_000
const RETRY_MS = 1_000

/** Writes events down, in the order in which they were told. */
export class EventTeller {
  readonly #events: EventLog
  readonly #clock: Clock
  readonly #onLost: (thrown: unknown) => void
  #gathered: NewEvent[] = []
  #omitted = 0
  #hurrying = false
  #writing: Promise<void> | undefined

  constructor(events: EventLog, clock: Clock, onLost: (thrown: unknown) => void) {
    this.#events = events
    this.#clock = clock
    this.#onLost = onLost
  }

  tell(event: NewEvent): void {
    this.#gathered.push(event)
    // What happened first says most about why; of what follows the number is told.
    if (this.#gathered.length > KEPT_EVENTS) {
      this.#gathered.splice(KEPT_EVENTS - 1)
      this.#omitted += 1
    }
    this.#writing ??= this.#write()
  }

  /** Resolves when all that was told is written, or the store is found to be away. */
  async flushed(): Promise<void> {
    this.#hurrying = true
    while (this.#writing !== undefined) await this.#writing
  }

  async #write(): Promise<void> {
    await this.#clock.sleep(GATHER_MS)
    const events = this.#gathered
    const omitted = this.#omitted
    this.#gathered = []
    this.#omitted = 0
    try {
      await this.#events.append(omitted > 0 ? [...events, omission(omitted)] : events)
    } catch (thrown) {
      const away = thrown instanceof PurlinError && thrown.code === 'PUR_STORE_UNREACHABLE'
      if (away && !this.#hurrying) {
        this.#gathered = [...events, ...this.#gathered].slice(0, KEPT_EVENTS)
        this.#omitted += omitted
        await this.#clock.sleep(RETRY_MS)
      } else this.#onLost(thrown)
    }
    this.#writing = this.#gathered.length > 0 ? this.#write() : undefined
  }
}

function omission(count: number): NewEvent {
  return {
    type: 'events.omitted',
    severity: 'warning',
    subject: { kind: 'Store', name: 'events' },
    message: `${count} more events happened while the store was away than are kept`,
  }
}
