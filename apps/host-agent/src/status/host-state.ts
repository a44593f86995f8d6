import type { Fact, LaneStep, PurlinError } from '@purlin/base'
import type { HostView, LaneName, LaneView } from './host-view.ts'
import { UNSEEN_LANE } from './host-view.ts'

/** What a lane's pass came to, as far as the view goes. */
export interface PassOutcome {
  readonly lane: string
  readonly desiredRevision: number
  readonly waiting: readonly LaneStep[]
  /** Nothing but what waits is left to do. */
  readonly settled?: boolean
  readonly failed?: { readonly summary: string; readonly error: PurlinError }
  readonly converged: boolean
}

/** What a lane saw, beside how far it came: machines, how NICs are filtered, switches, or
 *  storage. */
export type PassSight = Partial<
  Pick<HostView, 'machines' | 'foreign' | 'nics' | 'switches' | 'storage'>
>

/** Since which revision a lane's desired state is what it is, and the newest revision of all. */
export type Currency = (lane: LaneName) => {
  readonly laneRevision: number
  readonly revision: number
}

type Listener = (view: HostView) => void
type Passes = Readonly<Record<LaneName, LaneView>>

/** Holds the newest view of the host and tells listeners when it changes. */
export class HostState {
  readonly #currency: Currency
  readonly #listeners = new Set<Listener>()
  #passes: Passes = {
    netfilter: UNSEEN_LANE,
    vswitch: UNSEEN_LANE,
    virt: UNSEEN_LANE,
    storage: UNSEEN_LANE,
  }
  #view: HostView = { facts: new Set(), lanes: this.#passes, machines: new Map() }

  constructor(currency: Currency) {
    this.#currency = currency
  }

  view(): HostView {
    return this.#view
  }

  /** Listens until the returned function is called. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Takes a pass in, with what the lane saw beside it. */
  record(pass: PassOutcome, facts: ReadonlySet<Fact>, seen: PassSight = {}): void {
    const lane = pass.lane as LaneName
    const before = this.#passes[lane]
    const leftovers = leftoversOf(pass)
    const after: LaneView = {
      passedRevision: pass.desiredRevision,
      convergedRevision: pass.converged ? pass.desiredRevision : before.convergedRevision,
      waiting: pass.waiting.map(({ summary }) => summary),
      ...(pass.failed && { failure: pass.failed }),
      ...(leftovers && { leftovers }),
    }
    this.#passes = { ...this.#passes, [lane]: after }
    this.#show(facts, seen)
  }

  /** The desired state went on: a lane that it did not touch counts as having passed it. */
  advance(): void {
    this.#show(this.#view.facts, {})
  }

  #show(facts: ReadonlySet<Fact>, seen: PassSight): void {
    const lanes = {
      netfilter: this.#current('netfilter'),
      vswitch: this.#current('vswitch'),
      virt: this.#current('virt'),
      storage: this.#current('storage'),
    }
    const { machines, foreign, nics, switches, storage } = { ...this.#view, ...seen }
    this.#view = {
      facts,
      lanes,
      machines,
      ...(foreign && { foreign }),
      ...(nics && { nics }),
      ...(switches && { switches }),
      ...(storage && { storage }),
    }
    for (const listener of [...this.#listeners]) listener(this.#view)
  }

  #current(lane: LaneName): LaneView {
    const { laneRevision, revision } = this.#currency(lane)
    const pass = this.#passes[lane]
    const upTo = (seen: number): number => (seen >= laneRevision ? Math.max(seen, revision) : seen)
    return {
      ...pass,
      passedRevision: upTo(pass.passedRevision),
      convergedRevision: upTo(pass.convergedRevision),
      ...(pass.leftovers && {
        leftovers: { ...pass.leftovers, revision: upTo(pass.leftovers.revision) },
      }),
    }
  }
}

/** What a pass left behind that only waits for its use to end. Pure. */
function leftoversOf({ waiting, settled, desiredRevision }: PassOutcome): LaneView['leftovers'] {
  const isRemoval = ({ requires, forbids }: LaneStep): boolean =>
    requires.length === 0 && forbids.length > 0 && forbids.every((one) => one.startsWith('nic/'))
  if (settled !== true || waiting.length === 0 || !waiting.every(isRemoval)) return undefined
  const subjects = waiting.flatMap(({ forbids }) => forbids.map((one) => one.split('/')[1] ?? ''))
  return { revision: desiredRevision, ports: [...new Set(subjects)].toSorted() }
}
