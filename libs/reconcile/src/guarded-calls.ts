import { type Clock, PurlinError, withDeadline } from '@purlin/base'

export type CallKind = 'observe' | 'execute'

interface Call {
  readonly what: string
  readonly startedMs: number
  readonly deadlineMs: number
}

/** A call under way, for people. */
export interface CallUnderWay {
  readonly what: string
  readonly ageMs: number
  readonly overdue: boolean
}

/** The calls of one lane into its driver. One that ignores its deadline is abandoned, but
 *  remembered until it settles: meanwhile no second call of its kind is made, so a hung daemon
 *  cannot pile up work. */
export class GuardedCalls {
  readonly #lane: string
  readonly #clock: Clock
  readonly #outer: AbortSignal
  readonly #onLateEnd: (what: string, ageMs: number) => void
  readonly #underWay = new Map<CallKind, Call>()

  constructor(options: {
    readonly lane: string
    readonly clock: Clock
    readonly outer: AbortSignal
    /** An abandoned call has settled at last. */
    readonly onLateEnd: (what: string, ageMs: number) => void
  }) {
    this.#lane = options.lane
    this.#clock = options.clock
    this.#outer = options.outer
    this.#onLateEnd = options.onLateEnd
  }

  /** Errors: PUR_LANE_STUCK, PUR_DEADLINE_PASSED, PUR_CANCELLED, or the call's own. */
  async make<Value>(
    kind: CallKind,
    { what, deadlineMs }: { readonly what: string; readonly deadlineMs: number },
    work: (signal: AbortSignal) => Promise<Value>,
  ): Promise<Value> {
    this.assertFree(kind, what)
    const call: Call = { what, deadlineMs, startedMs: this.#clock.monotonicMs() }
    let waitedFor = true
    const ended = (): void => {
      this.#underWay.delete(kind)
      if (!waitedFor) this.#onLateEnd(what, this.#clock.monotonicMs() - call.startedMs)
    }
    const tracked = async (signal: AbortSignal): Promise<Value> => {
      this.#underWay.set(kind, call)
      try {
        return await work(signal)
      } finally {
        ended()
      }
    }
    try {
      return await withDeadline(
        `${this.#lane}: ${what}`,
        deadlineMs,
        tracked,
        this.#outer,
        this.#clock,
      )
    } finally {
      waitedFor = false
    }
  }

  /** Errors: PUR_LANE_STUCK while an earlier call of the kind runs. */
  assertFree(kind: CallKind, what: string): void {
    const earlier = this.#underWay.get(kind)
    if (earlier !== undefined) throw this.#stuck(what, earlier)
  }

  /** Whether a call of the kind runs, waited for or abandoned. */
  runs(kind: CallKind): boolean {
    return this.#underWay.has(kind)
  }

  /** The oldest call under way. */
  oldest(): CallUnderWay | undefined {
    const nowMs = this.#clock.monotonicMs()
    return [...this.#underWay.values()]
      .map(({ what, startedMs, deadlineMs }) => {
        const ageMs = nowMs - startedMs
        return { what, ageMs, overdue: ageMs >= deadlineMs }
      })
      .toSorted((a, b) => b.ageMs - a.ageMs)[0]
  }

  #stuck(what: string, earlier: Call): PurlinError {
    const ageMs = Math.round(this.#clock.monotonicMs() - earlier.startedMs)
    return new PurlinError('PUR_LANE_STUCK', {
      message: `${this.#lane}: ${what}: not begun, "${earlier.what}" has not returned for ${ageMs} ms (its deadline was ${earlier.deadlineMs} ms); see what it talks to`,
      context: { lane: this.#lane, doing: earlier.what, ageMs },
    })
  }
}
