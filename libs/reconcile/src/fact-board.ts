import type { Fact, LaneStep } from '@purlin/base'

interface LaneFacts {
  readonly facts: ReadonlySet<Fact>
  /** The last observation succeeded. Old facts still forbid, but they no longer permit. */
  readonly fresh: boolean
}

/** What a lane's steps rely on since its last observation, by subject (`nic/web-1.eth0`). */
interface Claims {
  /** A step required something of the subject: nobody may take that away. */
  readonly relied: Set<string>
  /** A step was allowed because something of the subject was not so: nobody may make it so. */
  readonly withdrawn: Set<string>
}

/** The facts of all lanes, and what steps under way rely on. A step's facts are judged and its
 *  claim is made in one turn, so two lanes can never act on answers that exclude each other. */
export class FactBoard {
  readonly #lanes: readonly string[]
  readonly #published = new Map<string, LaneFacts>()
  readonly #claims = new Map<string, Claims>()
  readonly #onChange: (lane: string) => void

  /** `onChange` is called when steps of other lanes than `lane` may have become possible. */
  constructor(lanes: readonly string[], onChange: (lane: string) => void) {
    this.#lanes = lanes
    this.#onChange = onChange
  }

  /** Every fact last seen, of all lanes. */
  facts(): ReadonlySet<Fact> {
    return new Set([...this.#published.values()].flatMap(({ facts }) => [...facts]))
  }

  /** The lane has observed; its claims end, unless a step of it is still under way. */
  publish(lane: string, facts: ReadonlySet<Fact>, stepUnderWay: boolean): void {
    const before = this.#published.get(lane)
    this.#published.set(lane, { facts, fresh: true })
    const released = !stepUnderWay && this.#claims.delete(lane)
    if (released || before?.fresh !== true || !sameSet(before.facts, facts)) this.#onChange(lane)
  }

  /** The lane could not observe: what it last saw may no longer be so. */
  doubt(lane: string): void {
    const before = this.#published.get(lane)
    if (before !== undefined) this.#published.set(lane, { ...before, fresh: false })
  }

  /** Claims the step's subjects for the lane, where its facts allow it now. */
  tryClaim(lane: string, step: LaneStep): boolean {
    if (!this.#permitted(step) || this.#opposed(lane, step)) return false
    if (step.requires.length + step.forbids.length === 0) return true
    const claims = this.#claims.get(lane) ?? { relied: new Set(), withdrawn: new Set() }
    for (const fact of step.requires) claims.relied.add(subjectOf(fact))
    for (const fact of step.forbids) claims.withdrawn.add(subjectOf(fact))
    this.#claims.set(lane, claims)
    return true
  }

  #permitted(step: LaneStep): boolean {
    const published = [...this.#published.values()]
    const holds = (fact: Fact): boolean =>
      published.some(({ facts, fresh }) => fresh && facts.has(fact))
    if (!step.requires.every(holds)) return false
    if (step.forbids.length === 0) return true
    // After a start nothing is known yet, and not knowing of a use is not the same as no use.
    if (this.#published.size < this.#lanes.length) return false
    return !step.forbids.some((fact) => published.some(({ facts }) => facts.has(fact)))
  }

  /** Whether another lane's step, under way or not yet read back, stands against this one. */
  #opposed(lane: string, step: LaneStep): boolean {
    return [...this.#claims].some(
      ([other, claims]) =>
        other !== lane &&
        (step.forbids.some((fact) => claims.relied.has(subjectOf(fact))) ||
          step.requires.some((fact) => claims.withdrawn.has(subjectOf(fact)))),
    )
  }
}

function subjectOf(fact: Fact): string {
  return fact.slice(0, fact.lastIndexOf('/'))
}

function sameSet(a: ReadonlySet<Fact>, b: ReadonlySet<Fact>): boolean {
  return a.size === b.size && [...a].every((fact) => b.has(fact))
}
