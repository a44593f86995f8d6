import { type Clock, type LaneStep, PurlinError, toPurlinError } from '@purlin/base'
import type { LaneHealth } from '@purlin/schema'
import { backoffMs } from './backoff.ts'
import type { FactBoard } from './fact-board.ts'
import { GuardedCalls } from './guarded-calls.ts'
import type { LanePass, LaneSetup } from './lane.ts'
import type { ReconcileLog } from './log.ts'
import { observeLane, runPass } from './pass.ts'

/** Callers that may wait for a plan of one lane. */
const PLANS_WAITING = 32

export interface LaneRunnerOptions<Desired, Observed, Step extends LaneStep> {
  readonly setup: LaneSetup<Desired, Observed, Step>
  readonly board: FactBoard
  readonly clock: Clock
  readonly drift: 'repair' | 'report'
  readonly maxBackoffMs: number
  readonly log: ReconcileLog
  readonly stop: AbortSignal
  /** The lane has converged at a revision. */
  readonly onConverged: () => void
}

/** One lane: an ordered queue of one worker, which does passes while somebody wants them and plans
 *  in between. A wake during a pass leads to one more pass, however often it comes. */
export class LaneRunner<Desired, Observed, Step extends LaneStep> {
  readonly lane: string
  readonly #options: LaneRunnerOptions<Desired, Observed, Step>
  readonly #calls: GuardedCalls
  readonly #plans: (() => Promise<void>)[] = []
  #worker: Promise<void> = Promise.resolve()
  #working = false
  #wanted = false
  #factsChanged = false
  #last: LanePass<Observed, Step> | undefined
  #observedOnce = false
  #convergedRevision = -1
  #failures = 0
  #backoff: { readonly revision: number; readonly end: AbortController } | undefined

  constructor(options: LaneRunnerOptions<Desired, Observed, Step>) {
    this.#options = options
    this.lane = options.setup.driver.lane
    this.#calls = new GuardedCalls({
      lane: this.lane,
      clock: options.clock,
      outer: options.stop,
      onLateEnd: (what, ageMs) => this.#returnedLate(what, ageMs),
    })
  }

  get convergedRevision(): number {
    return this.#convergedRevision
  }

  /** Wants a pass: now where the lane is idle, after the present pass, or after the back-off. */
  wake(): void {
    this.#wanted = true
    this.#work()
  }

  /** Facts of other lanes changed: reason for a pass where steps wait for facts. */
  factsChanged(): void {
    this.#factsChanged = true
    if (!this.#working && this.#stepsWait()) this.wake()
  }

  /** The steps for `desired` (absent: what is desired now), from a fresh observation; between
   *  passes. Errors: PUR_LANE_BUSY, PUR_LANE_STUCK, PUR_DEADLINE_PASSED, the driver's own. */
  async plan(desired: { readonly value: Desired } | undefined): Promise<readonly Step[]> {
    const { setup } = this.#options
    if (this.#plans.length >= PLANS_WAITING) {
      throw new PurlinError('PUR_LANE_BUSY', {
        message: `${this.lane}: ${PLANS_WAITING} callers wait for a plan already; ask again later`,
      })
    }
    return await new Promise((resolve, reject) => {
      this.#plans.push(async () => {
        try {
          const observed = await observeLane(setup, this.#calls, setup.observeDeadlineMs)
          resolve(setup.driver.plan((desired ?? setup.desired()).value, observed))
        } catch (thrown) {
          reject(toPurlinError(thrown))
        }
      })
      this.#work()
    })
  }

  health(): LaneHealth {
    const call = this.#calls.oldest()
    const error = this.#last?.failed?.error
    return {
      lane: this.lane,
      state: this.#state(call?.overdue === true),
      ...(call !== undefined && { doing: call.what, ageMs: Math.round(call.ageMs) }),
      ...(error !== undefined && { lastError: `${error.code}: ${error.message}` }),
    }
  }

  /** Resolves when the worker has ended; the stop signal makes it end. */
  async stopped(): Promise<void> {
    this.#backoff?.end.abort()
    while (this.#working) await this.#worker
  }

  #state(overdue: boolean): LaneHealth['state'] {
    if (overdue) return 'stuck'
    if (this.#last?.failed !== undefined) return 'failed'
    if (!this.#observedOnce) return 'starting'
    return this.#working ? 'working' : 'idle'
  }

  /** Starts the worker where it rests. Up to the driver's first call nothing is waited for. */
  #work(): void {
    if (this.#working || !this.#due()) return
    this.#working = true
    this.#worker = this.#loop().finally(() => {
      this.#working = false
      // Something may have come in after the loop looked for the last time.
      this.#work()
    })
  }

  async #loop(): Promise<void> {
    while (this.#due()) {
      const plan = this.#plans.shift()
      if (plan === undefined) await this.#pass()
      else await plan()
    }
  }

  #due(): boolean {
    if (this.#plans.length > 0) return true
    if (!this.#wanted || this.#options.stop.aborted) return false
    if (this.#backoff === undefined) return true
    if (this.#desiredRevision() === this.#backoff.revision) return false
    this.#endBackoff()
    this.#failures = 0
    return true
  }

  async #pass(): Promise<void> {
    const { setup, board, drift, stop, log } = this.#options
    this.#wanted = false
    const revision = this.#desiredRevision()
    const { pass, again } = await runPass({
      setup,
      board,
      calls: this.#calls,
      convergedRevision: this.#convergedRevision,
      drift,
      onJudge: () => {
        this.#factsChanged = false
      },
      onExecuted: (step) => log({ lane: this.lane, level: 'info', message: step.summary }),
    })
    if (stop.aborted) return
    this.#observedOnce ||= pass.observed !== undefined
    this.#report(pass)
    this.#last = pass
    if (pass.converged) this.#convergedRevision = pass.desiredRevision
    if (pass.failed === undefined) this.#failures = 0
    else this.#beginBackoff(pass.desiredRevision === -1 ? revision : pass.desiredRevision)
    if (again || (this.#factsChanged && this.#stepsWait())) this.#wanted = true
    if (pass.converged) this.#options.onConverged()
    this.#tell(pass)
  }

  #stepsWait(): boolean {
    return (this.#last?.waiting.length ?? 0) > 0
  }

  #report(pass: LanePass<Observed, Step>): void {
    const { log, drift } = this.#options
    const { lane } = this
    if (pass.drifted && (drift === 'repair' || this.#last?.drifted !== true)) {
      const what = drift === 'repair' ? 'was brought back' : 'is left as it is'
      const message = `the host differs from what was in force at revision ${pass.desiredRevision}; it ${what}`
      log({ lane, level: 'warning', message })
    }
    if (pass.failed === undefined) return
    const { error } = pass.failed
    log({ lane, level: 'error', message: error.message, code: error.code })
  }

  /** A listener's fault is not the lane's: it is logged, and the lane goes on. */
  #tell(pass: LanePass<Observed, Step>): void {
    const { setup, log } = this.#options
    try {
      setup.onPass?.(pass)
    } catch (thrown) {
      const { code, message } = toPurlinError(thrown)
      log({ lane: this.lane, level: 'error', message: `report of a pass: ${message}`, code })
    }
  }

  /** Holds passes back for a while, unless something newer than `revision` is desired. */
  #beginBackoff(revision: number): void {
    const { clock, maxBackoffMs } = this.#options
    const end = new AbortController()
    this.#failures += 1
    this.#backoff = { revision, end }
    const retry = (): void => {
      this.#backoff = undefined
      this.wake()
    }
    clock.sleep(backoffMs(this.#failures, maxBackoffMs), end.signal).then(retry, () => {})
  }

  #endBackoff(): void {
    this.#backoff?.end.abort()
    this.#backoff = undefined
  }

  /** An abandoned call has come back. Where passes were refused because of it, the lane looks at
   *  once. */
  #returnedLate(what: string, ageMs: number): void {
    const { stop, log } = this.#options
    if (stop.aborted || this.#last?.failed?.error.code !== 'PUR_LANE_STUCK') return
    const message = `"${what}" returned after ${Math.round(ageMs)} ms, past its deadline`
    log({ lane: this.lane, level: 'warning', message })
    this.#endBackoff()
    this.wake()
  }

  #desiredRevision(): number {
    try {
      return this.#options.setup.desired().revision
    } catch {
      // The pass asks again and reports it.
      return -1
    }
  }
}
