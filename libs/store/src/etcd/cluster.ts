import { type Clock, PurlinError } from '@purlin/base'
import type { StoreTrouble } from '../store.ts'
import { MemberFailure, storeError } from './failure.ts'
import { type EtcdCredentials, Member } from './member.ts'

export interface ClusterOptions {
  /** `https://HOST:PORT` of each member. */
  readonly endpoints: readonly string[]
  readonly credentials: EtcdCredentials
  readonly clock: Clock
  /** How long one member has for an answer. */
  readonly attemptMs: number
  /** How long all tries of a call may take together. */
  readonly deadlineMs: number
}

/** An answer, and whether an earlier try of the same call may have been carried out as well. */
export interface ClusterAnswer {
  readonly answer: unknown
  readonly uncertain: boolean
}

const PAUSE_MS = 100

/** The members of a cluster as one: a call goes to the member that answered last, and on to the
 *  others where it does not. */
export class Cluster {
  readonly #options: ClusterOptions
  readonly #members: readonly Member[]
  readonly #closed = new AbortController()
  #preferred = 0
  #trouble: StoreTrouble | undefined

  constructor(options: ClusterOptions) {
    this.#options = options
    this.#members = options.endpoints.map((endpoint) => new Member(endpoint, options.credentials))
  }

  /** Aborted when the store is closed. */
  get closing(): AbortSignal {
    return this.#closed.signal
  }

  /** Why no majority answered the last call, and since when none has; undefined while one does. */
  get trouble(): StoreTrouble | undefined {
    return this.#trouble
  }

  /** Calls until a member answers or the time is over; every try of the same bytes. Errors:
   *  PUR_STORE_UNREACHABLE, MemberFailure for what another try does not mend. */
  async call(doing: string, path: string, body: unknown): Promise<ClusterAnswer> {
    const { clock, attemptMs, deadlineMs } = this.#options
    const untilMs = clock.monotonicMs() + deadlineMs
    const found = new Map<string, string>()
    let uncertain = false
    for (let tries = 1; ; tries++) {
      this.#assertOpen(doing)
      const member = this.#member()
      const leftMs = untilMs - clock.monotonicMs()
      const timeout = AbortSignal.timeout(Math.ceil(Math.max(1, Math.min(attemptMs, leftMs))))
      try {
        const signal = AbortSignal.any([timeout, this.closing])
        const answer = await member.call(path, body, signal)
        this.#trouble = undefined
        return { answer, uncertain }
      } catch (thrown) {
        const failure = asFailure(thrown)
        if (!failure.passing) throw failure
        uncertain ||= !failure.undone
        // Why it failed says more than that its last try had no time left.
        if (!found.has(member.endpoint) || !timeout.aborted) {
          found.set(member.endpoint, failure.message)
        }
        this.#pass(member)
      }
      this.#assertOpen(doing)
      if (clock.monotonicMs() >= untilMs) {
        const error = unreachable(doing, found, uncertain)
        const sinceMs = this.#trouble?.sinceMs ?? clock.nowMs()
        this.#trouble = { message: error.message, sinceMs }
        throw error
      }
      if (tries % this.#members.length === 0) await this.pause(PAUSE_MS)
    }
  }

  /** As `call`, where a repeated call does no harm. Errors: the typed ones alone. */
  async ask(doing: string, path: string, body: unknown): Promise<unknown> {
    try {
      return (await this.call(doing, path, body)).answer
    } catch (thrown) {
      throw thrown instanceof MemberFailure ? storeError(doing, thrown) : thrown
    }
  }

  /** The lines of one member's answer as they come. Errors: MemberFailure; the next stream goes to
   *  another member where that may help. */
  async *stream(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<unknown> {
    const member = this.#member()
    try {
      yield* member.stream(path, body, AbortSignal.any([signal, this.closing]))
    } catch (thrown) {
      const failure = asFailure(thrown)
      if (failure.passing && !signal.aborted) this.#pass(member)
      throw failure
    }
  }

  /** Waits; ends early when the store is closed or the signal is aborted. */
  async pause(durationMs: number, signal: AbortSignal = this.closing): Promise<void> {
    const until = AbortSignal.any([signal, this.closing])
    await this.#options.clock.sleep(durationMs, until).catch(() => undefined)
  }

  close(): void {
    this.#closed.abort()
    for (const member of this.#members) member.cut('the store is closed')
  }

  #member(): Member {
    const member = this.#members[this.#preferred]
    if (member !== undefined) return member
    throw new PurlinError('PUR_INVALID', { message: 'an etcd store needs an endpoint' })
  }

  #pass(member: Member): void {
    if (this.#members[this.#preferred] !== member) return
    this.#preferred = (this.#preferred + 1) % this.#members.length
  }

  #assertOpen(doing: string): void {
    if (!this.closing.aborted) return
    throw new PurlinError('PUR_STORE_FAILED', { message: `${doing}: the store is closed` })
  }
}

function asFailure(thrown: unknown): MemberFailure {
  if (thrown instanceof MemberFailure) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new MemberFailure(message, { passing: true, undone: false, cause: thrown })
}

function unreachable(
  doing: string,
  found: ReadonlyMap<string, string>,
  uncertain: boolean,
): PurlinError {
  const listed = [...found].map(([endpoint, said]) => `${endpoint}: ${said}`).join('; ')
  const outcome = uncertain ? 'Whether it was carried out is not known' : 'Nothing was changed'
  return new PurlinError('PUR_STORE_UNREACHABLE', {
    message: `${doing}: no majority of etcd answers (${listed}). ${outcome}; see that the members run and reach each other`,
    context: { endpoints: [...found.keys()], uncertain },
  })
}
