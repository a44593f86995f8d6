import type { AddressFamily } from '@purlin/base'
import { type Diagram, DiagramStore, isLeaf, levelOf } from './diagram.ts'
import {
  firstValue,
  following,
  type Level,
  type LevelRange,
  type LevelValue,
  levels,
} from './levels.ts'

/** Packets whose value at each level named is in one of the ranges (disjoint); levels that are not
 *  named do not matter. */
export type Box = Readonly<Partial<Record<Level, readonly LevelRange[]>>>

/** Which of several boxes holds a packet first, by position; undefined where none does. */
export type Position = number | undefined

export function positionStore(family: AddressFamily): DiagramStore<Position> {
  return new DiagramStore(family, String)
}

/** The first box that holds a packet. Every address at which the set of boxes changes is looked at
 *  once, so lists of thousands of rules take milliseconds; many wide networks inside each other
 *  times as many port ranges do not. Pure. */
export function firstBox(store: DiagramStore<Position>, boxes: readonly Box[]): Diagram<Position> {
  return new FirstBox(store, boxes).below(
    boxes.map((_, position) => position),
    0,
  )
}

/** The level behind the last one that a box names. */
function depthOf(box: Box): number {
  return levels.findLastIndex((name) => box[name] !== undefined) + 1
}

class FirstBox {
  readonly #store: DiagramStore<Position>
  readonly #boxes: readonly Box[]
  readonly #depths: readonly number[]
  readonly #done = new Map<string, Diagram<Position>>()

  constructor(store: DiagramStore<Position>, boxes: readonly Box[]) {
    this.#store = store
    this.#boxes = boxes
    this.#depths = boxes.map(depthOf)
  }

  /** The first of the boxes at `positions` (ascending), as far as levels from `level` on tell. */
  below(positions: readonly number[], level: number): Diagram<Position> {
    const name = levels[level]
    const [first] = positions
    if (first === undefined || name === undefined || (this.#depths[first] ?? 0) <= level) {
      return this.#store.leaf(first)
    }
    const key = `${level} ${positions.join(',')}`
    const known = this.#done.get(key)
    if (known !== undefined) return known
    const free: number[] = []
    const bound: number[] = []
    for (const at of positions) (this.#boxes[at]?.[name] === undefined ? free : bound).push(at)
    const anyway = this.below(free, level + 1)
    const made = bound.length === 0 ? anyway : this.#pieces(bound, name, level, anyway)
    this.#done.set(key, made)
    return made
  }

  #pieces(
    bound: readonly number[],
    name: Level,
    level: number,
    anyway: Diagram<Position>,
  ): Diagram<Position> {
    const changes = new Map<LevelValue, { begin: number[]; end: number[] }>()
    const at = (value: LevelValue): { begin: number[]; end: number[] } => {
      const known = changes.get(value) ?? { begin: [], end: [] }
      changes.set(value, known)
      return known
    }
    at(firstValue(name))
    for (const position of bound) {
      for (const { first, last } of this.#boxes[position]?.[name] ?? []) {
        at(first).begin.push(position)
        at(following(last)).end.push(position)
      }
    }
    const starts = [...changes.keys()].sort((a, b) => (a < b ? -1 : 1))
    const active = new Set<number>()
    const children = starts.map((start) => {
      const { begin, end } = at(start)
      for (const position of end) active.delete(position)
      for (const position of begin) active.add(position)
      if (active.size === 0) return anyway
      const sorted = [...active].sort((a, b) => a - b)
      return this.#lower(this.below(sorted, level + 1), anyway)
    })
    return this.#store.node(level, starts, children)
  }

  #lower(one: Diagram<Position>, other: Diagram<Position>): Diagram<Position> {
    return this.#store.combine(one, other, lowest, (a, b) => {
      if (a === b) return a
      if (isLeaf(a) && a.leaf === undefined) return b
      if (isLeaf(b) && b.leaf === undefined) return a
      return undefined
    })
  }
}

function lowest(one: Position, other: Position): Position {
  if (one === undefined) return other
  return other === undefined ? one : Math.min(one, other)
}

/** Goes on as the target of the box that holds the packet says, and as `otherwise` where none does.
 *  The boxes are disjoint; targets and `otherwise` are of the store. */
export function select<Leaf>(
  store: DiagramStore<Leaf | undefined>,
  boxes: readonly Box[],
  targets: readonly Diagram<Leaf | undefined>[],
  otherwise: Diagram<Leaf | undefined>,
): Diagram<Leaf | undefined> {
  if (boxes.length === 0) return otherwise
  const deepest = boxes.reduce((depth, box) => Math.max(depth, depthOf(box)), 0)
  if (targets.every((target) => levelOf(target) >= deepest)) {
    const nothing = store.leaf(undefined)
    const which = firstBox(positionStore(store.family), boxes)
    const chosen = store.graft(which, (at) =>
      at === undefined ? nothing : (targets[at] ?? nothing),
    )
    return overlay(store, chosen, otherwise)
  }
  const byTarget = new Map<Diagram<Leaf | undefined>, Box[]>()
  boxes.forEach((box, index) => {
    const target = targets[index]
    if (target === undefined) return
    const known = byTarget.get(target)
    if (known === undefined) byTarget.set(target, [box])
    else known.push(box)
  })
  const parts = [...byTarget].map(([target, own]) => within(store, own, target))
  return overlay(store, joined(store, parts), otherwise)
}

/** The diagram inside the boxes, nothing outside. */
function within<Leaf>(
  store: DiagramStore<Leaf | undefined>,
  boxes: readonly Box[],
  target: Diagram<Leaf | undefined>,
): Diagram<Leaf | undefined> {
  const positions = positionStore(store.family)
  const inside = positions.map(firstBox(positions, boxes), (at) => at && 0)
  const nothing = store.leaf(undefined)
  return store.combine(
    inside,
    target,
    (at, leaf) => (at === undefined ? undefined : leaf),
    (at) => (isLeaf(at) ? (at.leaf === undefined ? nothing : undefined) : undefined),
  )
}

/** Parts that do not overlap as one. Halving keeps each step near the size of its own parts. */
function joined<Leaf>(
  store: DiagramStore<Leaf | undefined>,
  parts: readonly Diagram<Leaf | undefined>[],
): Diagram<Leaf | undefined> {
  const [first] = parts
  if (first === undefined) return store.leaf(undefined)
  if (parts.length === 1) return first
  const half = parts.length >> 1
  return overlay(store, joined(store, parts.slice(0, half)), joined(store, parts.slice(half)))
}

/** The upper diagram, and where it says nothing the lower one. */
export function overlay<Leaf>(
  store: DiagramStore<Leaf | undefined>,
  upper: Diagram<Leaf | undefined>,
  lower: Diagram<Leaf | undefined>,
): Diagram<Leaf | undefined> {
  return store.combine(
    upper,
    lower,
    (one, other) => one ?? other,
    (one, other) => {
      if (isLeaf(one)) return one.leaf === undefined ? other : one
      return isLeaf(other) && other.leaf === undefined ? one : undefined
    },
  )
}
