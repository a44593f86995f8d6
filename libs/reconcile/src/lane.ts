import type { Fact, LaneStep, PurlinError } from '@purlin/base'

/** What reaches one external thing (nftables, the switch, libvirt, ...). Pure libraries fit this
 *  shape without importing it. Methods, not function properties: lanes of different kinds stand in
 *  one list. */
export interface LaneDriver<Desired, Observed, Step extends LaneStep> {
  readonly lane: string
  /** Reads the thing as it is. */
  observe(signal: AbortSignal): Promise<Observed>
  /** The steps from observed to desired, in order; none: nothing differs. Pure. A step that builds
   *  on an earlier one carries the earlier one's requires and forbids too, since steps that wait
   *  are passed over. */
  plan(desired: Desired, observed: Observed): readonly Step[]
  /** Executes and reads back; may be repeated after a crash. Throws PurlinError. */
  execute(step: Step, signal: AbortSignal): Promise<void>
  /** How many steps of a plan, from the first, can be executed as one; at least 1. Only steps of
   *  which none stands on another. Absent: 1. Pure. */
  together?(steps: readonly Step[]): number
  /** Executes steps that `together` counted as one; answers those that failed, each with its own
   *  error. Needed where `together` is there. */
  executeTogether?(
    steps: readonly Step[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<Step, PurlinError>>
  /** What the observation shows to be true. Pure. */
  facts(observed: Observed): ReadonlySet<Fact>
  /** Calls `onChange` when the thing may have changed, until the signal is aborted. */
  watch?(onChange: (reason: string) => void, signal: AbortSignal): void
  /** Whether `later` makes sense although `failed` of the same plan has failed, say because it is
   *  about another machine. Absent: a failure ends the pass. Pure. */
  independent?(failed: Step, later: Step): boolean
}

export interface LaneSetup<Desired, Observed, Step extends LaneStep> {
  readonly driver: LaneDriver<Desired, Observed, Step>
  /** What should be, and the store's revision it comes from. */
  desired(): { readonly value: Desired; readonly revision: number }
  readonly observeDeadlineMs: number
  /** Called after each pass, also a failed one. */
  onPass?(pass: LanePass<Observed, Step>): void
}

/** How a pass of a lane ended. */
export interface LanePass<Observed, Step extends LaneStep> {
  readonly lane: string
  /** The revision of the desired state that was planned for; -1 when the pass did not get that
   *  far. */
  readonly desiredRevision: number
  /** The last observation; absent when none succeeded. */
  readonly observed?: Observed
  readonly executed: readonly Step[]
  /** Steps whose facts are not there. */
  readonly waiting: readonly Step[]
  /** The step that failed; `step` absent: the observation or the plan itself. */
  readonly failed?: { readonly step?: Step; readonly error: PurlinError }
  /** Nothing differs from the desired state of that revision. */
  readonly converged: boolean
  /** Nothing is left to do but steps that wait for facts. */
  readonly settled: boolean
  /** The lane had converged at this revision and then differed again: somebody else changed the
   *  host. */
  readonly drifted: boolean
}

/** A lane of any kind, as the reconciler holds it. */
export type AnyLane = LaneSetup<unknown, unknown, LaneStep>

/** The same setup; its types are found from the driver, so that `onPass` knows what was
 *  observed. */
export function laneOf<Desired, Observed, Step extends LaneStep>(
  setup: LaneSetup<Desired, Observed, Step>,
): LaneSetup<Desired, Observed, Step> {
  return setup
}
