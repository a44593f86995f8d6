import { type Fact, type LaneStep, PurlinError, toPurlinError } from '@purlin/base'
import type { LaneDriver } from '../src/lane.ts'

/** A thing of a fake host: on or off, with the facts that switching it needs. */
export interface FakeThing {
  readonly name: string
  readonly requires?: readonly Fact[]
  /** Facts that must not be while it is switched off. */
  readonly keptFor?: readonly Fact[]
  /** The fact it makes true while it is on. */
  readonly proves?: Fact
}

export interface FakeStep extends LaneStep {
  readonly name: string
  readonly on: boolean
}

/** What one call of a fake does instead of succeeding: fail, or hang until it is let go. */
export type Mishap = 'fail' | { readonly until: Promise<unknown> }

/** A lane over a set of names that are on. Every call is recorded, and mishaps come from a
 *  function. */
export class FakeLane implements LaneDriver<ReadonlySet<string>, ReadonlySet<string>, FakeStep> {
  readonly lane: string
  readonly on = new Set<string>()
  readonly calls: string[] = []
  readonly #things: readonly FakeThing[]
  mishap: (call: string) => Mishap | undefined = () => undefined
  onExecute: (step: FakeStep) => void = () => {}
  /** Called after each change of what is on. */
  onEffect: () => void = () => {}
  independent?: (failed: FakeStep, later: FakeStep) => boolean
  notice: (reason: string) => void = () => {}
  /** How many steps it takes together. */
  togetherMax = 1

  constructor(lane: string, things: readonly (string | FakeThing)[]) {
    this.lane = lane
    this.#things = things.map((thing) => (typeof thing === 'string' ? { name: thing } : thing))
  }

  async observe(): Promise<ReadonlySet<string>> {
    await this.#call('observe')
    return new Set(this.on)
  }

  plan(desired: ReadonlySet<string>, observed: ReadonlySet<string>): readonly FakeStep[] {
    return this.#things.flatMap(({ name, requires = [], keptFor = [] }): FakeStep[] => {
      const on = desired.has(name)
      if (on === observed.has(name)) return []
      const step = { name, on, deadlineMs: 1_000, summary: `${name} ${on ? 'on' : 'off'}` }
      return [{ ...step, requires: on ? requires : [], forbids: on ? [] : keptFor }]
    })
  }

  async execute(step: FakeStep): Promise<void> {
    this.onExecute(step)
    await this.#call(step.summary)
    if (step.on) this.on.add(step.name)
    else this.on.delete(step.name)
    this.onEffect()
  }

  together(steps: readonly FakeStep[]): number {
    const end = steps.findIndex(({ on }) => on !== steps[0]?.on)
    return Math.max(Math.min(end === -1 ? steps.length : end, this.togetherMax), 1)
  }

  async executeTogether(steps: readonly FakeStep[]): Promise<ReadonlyMap<FakeStep, PurlinError>> {
    this.calls.push(`${steps.length} together`)
    const failed = new Map<FakeStep, PurlinError>()
    for (const step of steps) {
      await this.execute(step).catch((thrown) => failed.set(step, toPurlinError(thrown)))
    }
    return failed
  }

  facts(observed: ReadonlySet<string>): ReadonlySet<Fact> {
    const proven = this.#things.filter(({ name }) => observed.has(name))
    return new Set(proven.flatMap(({ proves }) => (proves === undefined ? [] : [proves])))
  }

  watch(onChange: (reason: string) => void, signal: AbortSignal): void {
    this.notice = onChange
    signal.addEventListener('abort', () => {
      this.notice = () => {}
    })
  }

  async #call(what: string): Promise<void> {
    this.calls.push(what)
    const mishap = this.mishap(what)
    await Promise.resolve()
    if (mishap === 'fail') {
      throw new PurlinError('PUR_LINK_FAILED', { message: `${this.lane}: ${what}: failed` })
    }
    if (mishap !== undefined) await mishap.until
  }
}

/** A desired state that can be changed. */
export function desiredOf(...names: string[]) {
  const state = { value: new Set(names) as ReadonlySet<string>, revision: 1 }
  return {
    read: () => ({ ...state }),
    set: (...next: string[]): number => {
      state.value = new Set(next)
      state.revision += 1
      return state.revision
    },
  }
}
