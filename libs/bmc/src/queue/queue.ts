import { type Clock, PurlinError, withDeadline } from '@purlin/base'
import { bmcError, type ErrorSubject } from '../bmc-error.ts'
import type { CommandPool } from './pool.ts'

/** How long a command that was given up may take to end before the next one starts. */
const ENDING_MS = 5_000
const ATTEMPTS_MAX = 3
export const WAITING_MAX = 32

export interface QueueOptions {
  readonly subject: ErrorSubject
  readonly leastGapMs: number
  readonly pool: CommandPool
  readonly clock: Clock
  readonly waitingMax?: number
}

export interface Command<Value> {
  /** What it does, for the sentence of an error: `power on`. */
  readonly what: string
  readonly deadlineMs: number
  readonly signal?: AbortSignal | undefined
  /** Changes nothing: a call shares the answer of an equal one that is the last of the queue. */
  readonly poll?: boolean
  /** Whether it may be done twice; otherwise it is tried again only when it was never begun. */
  readonly repeatable: boolean
  readonly work: (signal: AbortSignal) => Promise<Value>
}

interface Entry {
  readonly what: string
  readonly poll: boolean
  readonly repeatable: boolean
  readonly work: (signal: AbortSignal) => Promise<unknown>
  readonly givenUp: AbortController
  readonly outcome: Promise<unknown>
  readonly settle: { resolve(value: unknown): void; reject(error: unknown): void }
  callers: number
}

/** The commands of one BMC: one at once, in the order of asking, with a gap between two. */
export class CommandQueue {
  readonly #options: QueueOptions
  readonly #waiting: Entry[] = []
  #running: Entry | undefined
  #draining = false
  #closed = false
  #lastEndMs = Number.NEGATIVE_INFINITY

  constructor(options: QueueOptions) {
    this.#options = options
  }

  /** Runs a command in its turn. Errors: PUR_BMC_QUEUE_FULL, PUR_BMC_TIMEOUT, PUR_CANCELLED, and
   *  those of its work. */
  async run<Value>(command: Command<Value>): Promise<Value> {
    const { subject, clock } = this.#options
    if (this.#closed) throw closed(subject, command.what)
    const entry = this.#join(command) ?? this.#add(command)
    entry.callers += 1
    try {
      const outcome = entry.outcome as Promise<Value>
      const { what, deadlineMs, signal } = command
      return await withDeadline(what, deadlineMs, () => outcome, signal, clock)
    } catch (thrown) {
      if (!(thrown instanceof PurlinError) || thrown.code !== 'PUR_DEADLINE_PASSED') throw thrown
      const found = `no answer within ${command.deadlineMs} ms`
      throw bmcError('PUR_BMC_TIMEOUT', subject, command.what, found, thrown)
    } finally {
      entry.callers -= 1
      if (entry.callers === 0) this.#giveUp(entry)
    }
  }

  /** Commands that have not begun. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** Gives up what runs and waits; further commands are refused. */
  close(): void {
    this.#closed = true
    for (const entry of [...this.#waiting, ...(this.#running ? [this.#running] : [])]) {
      entry.settle.reject(closed(this.#options.subject, entry.what))
      this.#giveUp(entry)
    }
  }

  /** Only the last of the queue is joined: what was asked before a change is not what is true after
   *  it. */
  #join({ poll, what }: Command<unknown>): Entry | undefined {
    const last = this.#waiting.at(-1) ?? this.#running
    const same = poll === true && last?.poll === true && last.what === what
    return same && !last.givenUp.signal.aborted ? last : undefined
  }

  #add({ what, poll = false, repeatable, work }: Command<unknown>): Entry {
    const { subject, waitingMax = WAITING_MAX } = this.#options
    if (this.#waiting.length >= waitingMax) {
      throw bmcError('PUR_BMC_QUEUE_FULL', subject, what, `${waitingMax} commands wait already`)
    }
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    promise.catch(() => {}) // Callers may all have gone before it fails.
    const rest = { givenUp: new AbortController(), outcome: promise, settle: { resolve, reject } }
    const entry: Entry = { what, poll, repeatable, work, ...rest, callers: 0 }
    this.#waiting.push(entry)
    void this.#drain()
    return entry
  }

  #giveUp(entry: Entry): void {
    const index = this.#waiting.indexOf(entry)
    if (index >= 0) this.#waiting.splice(index, 1)
    entry.givenUp.abort(new PurlinError('PUR_CANCELLED', { message: `${entry.what}: given up` }))
  }

  async #drain(): Promise<void> {
    if (this.#draining) return
    this.#draining = true
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      this.#running = next
      await this.#attempt(next).then(next.settle.resolve, next.settle.reject)
      this.#running = undefined
    }
    this.#draining = false
  }

  async #attempt(entry: Entry): Promise<unknown> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#once(entry)
      } catch (thrown) {
        const again = attempt < ATTEMPTS_MAX && mayRepeat(entry, thrown)
        if (!again || entry.givenUp.signal.aborted) throw thrown
      }
    }
  }

  async #once({ givenUp: { signal }, work }: Entry): Promise<unknown> {
    const { clock, leastGapMs, pool } = this.#options
    const gapMs = this.#lastEndMs + leastGapMs - clock.monotonicMs()
    if (gapMs > 0) await clock.sleep(gapMs, signal)
    const giveBack = await pool.take(signal)
    try {
      return await this.#bounded(work(signal), signal)
    } finally {
      giveBack()
      this.#lastEndMs = clock.monotonicMs()
    }
  }

  /** The work, but no longer than a while after it was given up: a driver at fault must not hold
   *  the queue for ever. */
  async #bounded(work: Promise<unknown>, signal: AbortSignal): Promise<unknown> {
    const ended = new AbortController()
    const { promise: tooLong, reject } = Promise.withResolvers<never>()
    const wait = (): void => {
      const sleep = this.#options.clock.sleep(ENDING_MS, ended.signal)
      sleep.then(() => reject(signal.reason)).catch(() => {})
    }
    signal.addEventListener('abort', wait, { once: true })
    if (signal.aborted) wait()
    try {
      return await Promise.race([work, tooLong])
    } finally {
      signal.removeEventListener('abort', wait)
      ended.abort()
    }
  }
}

function mayRepeat({ repeatable }: Entry, thrown: unknown): boolean {
  if (!(thrown instanceof PurlinError)) return false
  if (thrown.code === 'PUR_BMC_UNREACHABLE') return true
  return repeatable && (thrown.code === 'PUR_BMC_NO_ANSWER' || thrown.code === 'PUR_BMC_BAD_ANSWER')
}

function closed({ name }: ErrorSubject, what: string): PurlinError {
  const message = `${what} of chassis ${name}: its BMC is closed here`
  return new PurlinError('PUR_CANCELLED', { message })
}
