import { type LaneStep, PurlinError, toPurlinError } from '@purlin/base'
import type { FactBoard } from './fact-board.ts'
import type { GuardedCalls } from './guarded-calls.ts'
import type { LanePass, LaneSetup } from './lane.ts'

/** Rounds of observe, plan, execute in one pass. Two are usual: one that acts and one that finds
 *  nothing left; more where steps of one round make steps of the next possible. */
const ROUNDS = 8

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

  /** Executes the steps that are ready, in order. Whether any was executed. */
  async #executeReady(steps: readonly Step[]): Promise<boolean> {
    const { setup, board, calls, onExecuted, onJudge } = this.#context
    const { driver } = setup
    const failedSteps: Step[] = []
    const before = this.#executed.length
    onJudge()
    for (const step of steps) {
      // A newer desired state makes the rest of this plan old: better to plan again.
      if (setup.desired().revision !== this.#revision) break
      if (failedSteps.some((failed) => driver.independent?.(failed, step) !== true)) continue
      calls.assertFree('execute', step.summary)
      if (!board.tryClaim(driver.lane, step)) {
        this.#waiting.push(step)
        continue
      }
      try {
        await this.#execute(step)
        this.#executed.push(step)
        onExecuted(step)
      } catch (thrown) {
        failedSteps.push(step)
        this.failed ??= { step, error: toPurlinError(thrown) }
      }
    }
    return this.#executed.length > before
  }

  async #execute(step: Step): Promise<void> {
    const { setup, calls } = this.#context
    const call = { what: step.summary, deadlineMs: step.deadlineMs }
    await calls.make('execute', call, (signal) => setup.driver.execute(step, signal))
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
