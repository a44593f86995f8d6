import { type LaneStep, PurlinError, toPurlinError } from '@purlin/base'
import type { FactBoard } from './fact-board.ts'
import type { GuardedCalls } from './guarded-calls.ts'
import type { LanePass, LaneSetup } from './lane.ts'

/** Rounds of observe, plan, execute in one pass. Two are usual: one that acts and one that finds
 *  nothing left; more where steps of one round make steps of the next possible. */
const ROUNDS = 8
/** What each further step of those executed together adds to the deadline of the call. */
const STEP_MORE_MS = 200

export interface PassContext<Desired, Observed, Step extends LaneStep> {
  readonly setup: LaneSetup<Desired, Observed, Step>
  readonly board: FactBoard
  readonly calls: GuardedCalls
  /** The revision at which the lane last converged, -1 for never. */
  readonly convergedRevision: number
  readonly drift: 'repair' | 'report'
  /** The facts are about to be judged; what changes from here on is news. */
  readonly onJudge: () => void
  readonly onExecuted: (step: Step) => void
}

/** A pass that has ended, and whether there is reason for another one at once. */
export interface EndedPass<Observed, Step extends LaneStep> {
  readonly pass: LanePass<Observed, Step>
  readonly again: boolean
}

/** One pass of a lane: observe, plan, execute what is ready, and again until nothing differs or
 *  nothing is ready. Never throws. */
export async function runPass<Desired, Observed, Step extends LaneStep>(
  context: PassContext<Desired, Observed, Step>,
): Promise<EndedPass<Observed, Step>> {
  const pass = new Pass(context)
  try {
    await pass.run()
  } catch (thrown) {
    pass.failed ??= { error: toPurlinError(thrown) }
  }
  return { pass: pass.outcome(), again: pass.again }
}

class Pass<Desired, Observed, Step extends LaneStep> {
  readonly #context: PassContext<Desired, Observed, Step>
  readonly #executed: Step[] = []
  #waiting: Step[] = []
  #observed: { readonly value: Observed } | undefined
  #revision = -1
  #converged = false
  #settled = false
  #drifted = false
  /** The desired state changed, or the rounds are used up while every step was a new one. */
  again = false
  failed: LanePass<Observed, Step>['failed']

  constructor(context: PassContext<Desired, Observed, Step>) {
    this.#context = context
  }

  async run(): Promise<void> {
    const { setup, drift, convergedRevision } = this.#context
    for (let round = 0; round < ROUNDS; round++) {
      const observed = await this.#observe()
      const desired = setup.desired()
      this.#revision = desired.revision
      const steps = setup.driver.plan(desired.value, observed)
      this.#waiting = []
      this.#converged = steps.length === 0
      if (this.#converged) return
      if (round === 0) this.#drifted = desired.revision === convergedRevision
      if (this.#drifted && drift === 'report') return
      const acted = await this.#executeReady(steps)
      if (this.failed !== undefined) {
        // What the failed step left is seen at once, so that other lanes do not act on old facts.
        await this.#observe()
        return
      }
      this.again = setup.desired().revision !== this.#revision
      this.#settled = !acted && !this.again
      if (!acted || this.again) return
    }
    this.#assertProgress()
    this.again = true
  }

  outcome(): LanePass<Observed, Step> {
    return {
      lane: this.#context.setup.driver.lane,
      desiredRevision: this.#revision,
      ...(this.#observed !== undefined && { observed: this.#observed.value }),
      executed: this.#executed,
      waiting: this.#waiting,
      ...(this.failed !== undefined && { failed: this.failed }),
      converged: this.#converged,
      settled: this.#settled,
      drifted: this.#drifted,
    }
  }

  /** A step that had to be executed again in the same pass did not do what it says. */
  #assertProgress(): void {
    const summaries = this.#executed.map(({ summary }) => summary)
    const repeated = summaries.find((summary, index) => summaries.indexOf(summary) !== index)
    if (repeated === undefined) return
    const { lane } = this.#context.setup.driver
    throw new PurlinError('PUR_LANE_UNSETTLED', {
      message: `${lane}: "${repeated}" succeeded, yet it was still to be done after ${ROUNDS} rounds; something undoes it, or its reading back is wrong`,
      context: { lane, step: repeated },
    })
  }

  async #observe(): Promise<Observed> {
    const { setup, board, calls } = this.#context
    const { driver, observeDeadlineMs } = setup
    try {
      const observed = await observeLane(setup, calls, observeDeadlineMs)
      this.#observed = { value: observed }
      board.publish(driver.lane, driver.facts(observed), calls.runs('execute'))
      return observed
    } catch (thrown) {
      board.doubt(driver.lane)
      throw thrown
    }
  }

  /** Executes the steps that are ready, in order, those together that the driver can. Whether any
   *  was executed. */
  async #executeReady(steps: readonly Step[]): Promise<boolean> {
    const { setup, calls, onExecuted, onJudge } = this.#context
    const { driver } = setup
    const failedSteps: Step[] = []
    const before = this.#executed.length
    onJudge()
    for (let start = 0; start < steps.length; ) {
      // A newer desired state makes the rest of this plan old: better to plan again.
      if (setup.desired().revision !== this.#revision) break
      const left = steps.slice(start)
      const group = left.slice(0, this.#countTogether(left))
      start += group.length
      const sensible = group.filter((step) =>
        failedSteps.every((failed) => driver.independent?.(failed, step) === true),
      )
      const [first] = sensible
      if (first === undefined) continue
      calls.assertFree('execute', first.summary)
      const ready = sensible.filter((step) => this.#claims(step))
      const failures = await this.#execute(ready)
      for (const step of ready) {
        const error = failures.get(step)
        if (error === undefined) {
          this.#executed.push(step)
          onExecuted(step)
        } else {
          failedSteps.push(step)
          this.failed ??= { step, error }
        }
      }
    }
    return this.#executed.length > before
  }

  #countTogether(steps: readonly Step[]): number {
    const { driver } = this.#context.setup
    return driver.executeTogether === undefined ? 1 : (driver.together?.(steps) ?? 1)
  }

  #claims(step: Step): boolean {
    const { setup, board } = this.#context
    const claimed = board.tryClaim(setup.driver.lane, step)
    if (!claimed) this.#waiting.push(step)
    return claimed
  }

  /** Executes the steps in one call; which failed. */
  async #execute(steps: readonly Step[]): Promise<ReadonlyMap<Step, PurlinError>> {
    const { setup, calls } = this.#context
    const { driver } = setup
    const [first, ...others] = steps
    if (first === undefined) return new Map()
    const what = others.length === 0 ? '' : ` and ${others.length} more`
    const longestMs = Math.max(...steps.map(({ deadlineMs }) => deadlineMs))
    const call = {
      what: `${first.summary}${what}`,
      deadlineMs: longestMs + others.length * STEP_MORE_MS,
    }
    try {
      return await calls.make('execute', call, async (signal) => {
        if (others.length > 0 && driver.executeTogether !== undefined) {
          return await driver.executeTogether(steps, signal)
        }
        await driver.execute(first, signal)
        return new Map()
      })
    } catch (thrown) {
      return new Map(steps.map((step) => [step, toPurlinError(thrown)]))
    }
  }
}

/** Observes within the deadline. */
export async function observeLane<Desired, Observed, Step extends LaneStep>(
  { driver }: LaneSetup<Desired, Observed, Step>,
  calls: GuardedCalls,
  deadlineMs: number,
): Promise<Observed> {
  return await calls.make('observe', { what: 'observe', deadlineMs }, (signal) =>
    driver.observe(signal),
  )
}
