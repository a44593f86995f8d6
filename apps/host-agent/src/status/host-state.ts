import type { Fact, LaneStep, PurlinError } from '@purlin/base'
import type { HostView, LaneName, LaneView, MachineView } from './host-view.ts'
import { UNSEEN_LANE } from './host-view.ts'

/** What a lane's pass came to, as far as the view goes. */
export interface PassOutcome {
  readonly lane: string
  readonly desiredRevision: number
  readonly waiting: readonly LaneStep[]
  readonly failed?: { readonly summary: string; readonly error: PurlinError }
  readonly converged: boolean
}

type Listener = (view: HostView) => void

/** Holds the newest view of the host and tells listeners when it changes. */
export class HostState {
  #view: HostView = {
    facts: new Set(),
    lanes: { netfilter: UNSEEN_LANE, vswitch: UNSEEN_LANE, virt: UNSEEN_LANE },
    machines: new Map(),
  }
  readonly #listeners = new Set<Listener>()

  view(): HostView {
    return this.#view
  }

  /** Listens until the returned function is called. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Takes a pass in; `machines` where the lane saw them. */
  record(
    pass: PassOutcome,
    facts: ReadonlySet<Fact>,
    machines?: ReadonlyMap<string, MachineView>,
  ): void {
    const lane = pass.lane as LaneName
    const before = this.#view.lanes[lane]
    const after: LaneView = {
      passedRevision: pass.desiredRevision,
      convergedRevision: pass.converged ? pass.desiredRevision : before.convergedRevision,
      waiting: pass.waiting.map(({ summary }) => summary),
      ...(pass.failed && { failure: pass.failed }),
    }
    this.#view = {
      facts,
      lanes: { ...this.#view.lanes, [lane]: after },
      machines: machines ?? this.#view.machines,
    }
    for (const listener of [...this.#listeners]) listener(this.#view)
  }
}
