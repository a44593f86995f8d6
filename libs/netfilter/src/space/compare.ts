import type { AddressFamily } from '@purlin/base'
import type { Decided } from '../compile/form.ts'
import type { Packet } from '../packet.ts'
import type { Box } from './boxes.ts'
import { type Diagram, DiagramStore, eachPiece, isLeaf } from './diagram.ts'
import {
  firstValue,
  type Level,
  type LevelRange,
  type LevelValue,
  lastValue,
  levels,
  preceding,
} from './levels.ts'
import { mergedRanges, type PacketSpace, packetOf } from './space.ts'

/** What must be equal: the verdicts alone, or also the rule that decides and whether it logs. */
export type Sameness = 'verdict' | 'rule'

/** A packet about which two spaces disagree. */
export interface Witness {
  readonly packet: Packet
  readonly one: Decided | undefined
  readonly other: Decided | undefined
}

/** Proves two spaces of a family equal, or finds a packet that they decide differently. Exact.
 *  Pure. */
export function difference(
  one: PacketSpace,
  other: PacketSpace,
  sameness: Sameness = 'verdict',
): Witness | undefined {
  const equal = new Map<number, Set<number>>()
  const values = new Map<number, LevelValue>()
  const go = (
    a: Diagram<Decided | undefined>,
    b: Diagram<Decided | undefined>,
  ): Witness | undefined => {
    if (a === b || equal.get(a.id)?.has(b.id)) return undefined
    if (isLeaf(a) && isLeaf(b)) {
      if (isSame(a.leaf, b.leaf, sameness)) return undefined
      return { packet: packetOf(one.family, values), one: a.leaf, other: b.leaf }
    }
    const level = Math.min(...[a, b].map((at) => (isLeaf(at) ? levels.length : at.level)))
    let found: Witness | undefined
    eachPiece(a, b, level, (start, childA, childB) => {
      if (found !== undefined) return
      values.set(level, start)
      found = go(childA, childB)
      values.delete(level)
    })
    if (found !== undefined) return found
    const known = equal.get(a.id)
    if (known === undefined) equal.set(a.id, new Set([b.id]))
    else known.add(b.id)
    return undefined
  }
  return go(one.diagram, other.diagram)
}

function isSame(one: Decided | undefined, other: Decided | undefined, sameness: Sameness): boolean {
  if (one?.verdict !== other?.verdict) return false
  return sameness === 'verdict' || (one?.id === other?.id && one?.log === other?.log)
}

/** Packets that were decided one way and are decided another: a box, and who decides. */
export interface Region {
  readonly family: AddressFamily
  /** Levels that are not named do not matter. */
  readonly box: Box
  readonly before: Decided | undefined
  readonly after: Decided | undefined
}

export interface Regions {
  readonly regions: readonly Region[]
  /** False where there are more than were asked for. */
  readonly complete: boolean
}

/** Every packet that two spaces of a family decide differently, as disjoint boxes; at most
 *  `regionsMax`. Exact. Pure. */
export function regions(before: PacketSpace, after: PacketSpace, regionsMax = 1_000): Regions {
  const { family } = before
  const store = new DiagramStore<Change | undefined>(family, (change) =>
    change === undefined ? '' : `${textOf(change.before)} ${textOf(change.after)}`,
  )
  const changes = store.combine(before.diagram, after.diagram, (was, is) =>
    was?.verdict === is?.verdict ? undefined : { before: was, after: is },
  )
  const found: Region[] = []
  let complete = true
  const go = (at: Diagram<Change | undefined>, box: Box): void => {
    if (isLeaf(at)) {
      if (at.leaf === undefined) return
      if (found.length < regionsMax) found.push({ family, box, ...at.leaf })
      else complete = false
      return
    }
    const name = levels[at.level]
    if (name === undefined || !complete) return
    const byChild = new Map<Diagram<Change | undefined>, LevelRange[]>()
    at.children.forEach((child, index) => {
      const range = pieceOf(at.starts, index, name, family)
      const known = byChild.get(child)
      if (known === undefined) byChild.set(child, [range])
      else known.push(range)
    })
    for (const [child, ranges] of byChild) go(child, { ...box, [name]: mergedRanges(ranges) })
  }
  go(changes, {})
  return { regions: found, complete }
}

interface Change {
  readonly before: Decided | undefined
  readonly after: Decided | undefined
}

function textOf(decided: Decided | undefined): string {
  return decided === undefined ? 'nothing' : `${decided.verdict} ${decided.id}`
}

/** The values of a node's piece. */
function pieceOf(
  starts: readonly LevelValue[],
  index: number,
  name: Level,
  family: AddressFamily,
): LevelRange {
  const next = starts[index + 1]
  return {
    first: starts[index] ?? firstValue(name),
    last: next === undefined ? lastValue(name, family) : preceding(next),
  }
}
