import { randomBytes } from 'node:crypto'
import type { Clock } from '@purlin/base'
import { PurlinError } from '@purlin/base'
import type { Event, NewEvent } from '@purlin/schema'
import type { Store, StoreEntry, Write } from './store.ts'

/** Events in the store: `/event/<16 digits>`, and `/event-head` with the first and last number in
 *  use. */
export interface EventLog {
  /** Gives the events the next numbers, without a gap, and answers once they are on disk. Calls
   *  made while an earlier one is being written go together. Errors: PUR_STORE_OVERLOADED and those
   *  of `transact`. */
  append(events: readonly NewEvent[]): Promise<readonly Event[]>
  /** Events after the number, oldest first, at most `limit` (1,000 if absent). `after` absent or 0:
   *  from the oldest kept. Errors: PUR_STORE_COMPACTED where events after the number are already
   *  trimmed, or where the number was never reached (a restored state). */
  read(options: {
    readonly after?: number | undefined
    readonly limit?: number | undefined
  }): Promise<readonly Event[]>
  /** Events as they happen, after the number, without gap or double; `after` absent: from now on.
   *  Ends when the signal is aborted or the store closes. Errors: as `read`. */
  follow(options: {
    readonly after?: number | undefined
    readonly signal: AbortSignal
  }): AsyncIterable<Event>
  /** The number of the newest event, 0 before the first. */
  last(): Promise<number>
  /** Deletes the oldest events, so that `keepLast` stay. */
  trim(keepLast: number): Promise<void>
}

const HEAD = '/event-head'
const PREFIX = '/event/'
const DIGITS = 16
/** Events whose keys share all but this many digits are read with one listing. */
const BLOCK_DIGITS = 2
const BLOCK = 10 ** BLOCK_DIGITS
const EVENTS_PER_TRANSACTION = 500
const WAITING_LIMIT = 20_000
const READ_LIMIT = 1_000
/** Agents of a fleet write to one log. Who comes second tries again: at once at first, then after
 *  pauses that grow and differ. */
const ATTEMPTS = 40
const ATTEMPTS_AT_ONCE = 4
const LONGEST_PAUSE_MS = 200

interface Head {
  readonly first: number
  readonly last: number
  readonly revision: number
}

interface Waiting {
  readonly events: readonly NewEvent[]
  readonly resolve: (events: readonly Event[]) => void
  readonly reject: (thrown: unknown) => void
}

/** The event log of a store. */
export function createEventLog(store: Store, clock: Clock): EventLog {
  return new StoredEventLog(store, clock)
}

class StoredEventLog implements EventLog {
  readonly #store: Store
  readonly #clock: Clock
  #waiting: Waiting[] = []
  #waitingEvents = 0
  #writing = false

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  async append(events: readonly NewEvent[]): Promise<readonly Event[]> {
    if (events.length === 0) return []
    if (this.#waitingEvents + events.length > WAITING_LIMIT) {
      throw new PurlinError('PUR_STORE_OVERLOADED', {
        message: `append ${events.length} events: ${this.#waitingEvents} wait already, at most ${WAITING_LIMIT} may; try again later`,
      })
    }
    this.#waitingEvents += events.length
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ events, resolve, reject })
      this.#write()
    })
  }

  async read({
    after = 0,
    limit = READ_LIMIT,
  }: {
    after?: number | undefined
    limit?: number | undefined
  }) {
    const head = await this.#head()
    if (after > head.last || (after > 0 && after < head.first - 1)) throw notKept(after, head)
    const from = Math.max(after + 1, head.first)
    const to = Math.min(head.last, from + limit - 1)
    const found: Event[] = []
    for (let block = Math.floor(from / BLOCK); block <= Math.floor(to / BLOCK); block++) {
      const digits = String(block).padStart(DIGITS - BLOCK_DIGITS, '0')
      const { entries } = await this.#store.list(`${PREFIX}${digits}`)
      for (const { value } of entries) {
        const event = value as Event
        if (event.sequence >= from && event.sequence <= to) found.push(event)
      }
    }
    // A trim between the two reads takes events from the front; that must not look like a whole
    // answer.
    if (after > 0 && found.length > 0 && found[0]?.sequence !== from) throw notKept(after, head)
    return found
  }

  async *follow({ after, signal }: { after?: number | undefined; signal: AbortSignal }) {
    let at = after ?? (await this.last())
    while (!signal.aborted) {
      // Where the bell stands is read before the events: what comes in between rings again.
      const { revision } = await this.#store.list(HEAD)
      const events = await this.read({ after: at })
      for (const event of events) {
        if (signal.aborted) return
        yield event
        at = event.sequence
      }
      if (events.length === 0 && !(await this.#changed(revision, signal))) return
    }
  }

  async last(): Promise<number> {
    return (await this.#head()).last
  }

  async trim(keepLast: number): Promise<void> {
    let attempts = ATTEMPTS
    for (let head = await this.#head(); head.last - head.first + 1 > keepLast; ) {
      const until = Math.min(head.last - keepLast, head.first + EVENTS_PER_TRANSACTION - 1)
      const writes: Write[] = [{ put: HEAD, value: { first: until + 1, last: head.last } }]
      for (let number = head.first; number <= until; number++)
        writes.push({ delete: keyOf(number) })
      const done = await this.#guarded(head, writes)
      attempts = done ? ATTEMPTS : attempts - 1
      if (attempts === 0) throw contended('trim')
      if (!done) await this.#giveWay(ATTEMPTS - attempts)
      head = await this.#head()
    }
  }

  /** Writes what waits, one transaction after the other, until nothing does. */
  async #write(): Promise<void> {
    if (this.#writing) return
    this.#writing = true
    while (this.#waiting.length > 0) {
      const batch = this.#nextBatch()
      try {
        const written = await this.#number(batch.flatMap(({ events }) => events))
        let from = 0
        for (const { events, resolve } of batch) {
          resolve(written.slice(from, from + events.length))
          from += events.length
        }
      } catch (thrown) {
        for (const { reject } of batch) reject(thrown)
      }
    }
    this.#writing = false
  }

  #nextBatch(): readonly Waiting[] {
    let events = 0
    let count = 0
    for (const each of this.#waiting) {
      if (count > 0 && events + each.events.length > EVENTS_PER_TRANSACTION) break
      events += each.events.length
      count += 1
    }
    this.#waitingEvents -= events
    return this.#waiting.splice(0, count)
  }

  async #number(events: readonly NewEvent[]): Promise<readonly Event[]> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const head = await this.#head()
      const atMs = this.#clock.nowMs()
      const numbered = events.map((event, index) => ({
        sequence: head.last + 1 + index,
        atMs,
        ...event,
      }))
      const writes: Write[] = numbered.map((event) => ({
        put: keyOf(event.sequence),
        value: event,
      }))
      writes.push({ put: HEAD, value: { first: head.first, last: head.last + events.length } })
      if (await this.#guarded(head, writes)) return numbered
      await this.#giveWay(attempt + 1)
    }
    throw contended('append')
  }

  /** Lets others go first after so many failed attempts. */
  async #giveWay(attempts: number): Promise<void> {
    if (attempts < ATTEMPTS_AT_ONCE) return
    const [byte = 0] = randomBytes(1)
    const pauseMs = Math.min(LONGEST_PAUSE_MS, 4 * 2 ** (attempts - ATTEMPTS_AT_ONCE))
    await this.#clock.sleep(Math.ceil((pauseMs * (byte + 1)) / 256))
  }

  /** False when somebody else moved the head meanwhile. */
  async #guarded(head: Head, writes: readonly Write[]): Promise<boolean> {
    try {
      await this.#store.transact({ guards: [{ key: HEAD, revision: head.revision }], writes })
      return true
    } catch (thrown) {
      if (thrown instanceof PurlinError && thrown.code === 'PUR_STORE_CONFLICT') return false
      throw thrown
    }
  }

  async #head(): Promise<Head> {
    const entry = await this.#store.get(HEAD)
    return entry === undefined ? { first: 1, last: 0, revision: 0 } : headOf(entry)
  }

  /** Waits until the head has changed since the revision; false when the wait was given up. */
  async #changed(afterRevision: number, signal: AbortSignal): Promise<boolean> {
    try {
      for await (const _ of this.#store.watch(HEAD, { afterRevision, signal })) return true
      return false
    } catch (thrown) {
      // The history is shorter than the wait: read again and watch from there.
      if (thrown instanceof PurlinError && thrown.code === 'PUR_STORE_COMPACTED') return true
      throw thrown
    }
  }
}

function headOf(entry: StoreEntry): Head {
  return { ...(entry.value as Pick<Head, 'first' | 'last'>), revision: entry.revision }
}

function keyOf(sequence: number): string {
  return `${PREFIX}${String(sequence).padStart(DIGITS, '0')}`
}

function notKept(after: number, head: Head): PurlinError {
  const kept = head.last < head.first ? 'none are kept' : `${head.first} to ${head.last} are kept`
  return new PurlinError('PUR_STORE_COMPACTED', {
    message: `events after ${after}: ${kept}; begin again at the oldest kept (after 0) or from now on`,
    context: { after, first: head.first, last: head.last },
  })
}

function contended(verb: string): PurlinError {
  return new PurlinError('PUR_STORE_CONFLICT', {
    message: `${verb} events: somebody else wrote events first, ${ATTEMPTS} times; try again`,
  })
}
