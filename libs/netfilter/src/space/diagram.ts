import type { AddressFamily } from '@purlin/base'
import { firstValue, type Level, type LevelValue, lastValue, levels } from './levels.ts'

/** A decision diagram over packets: at each node one level is asked, and the value falls into one
 *  of several pieces. Equal diagrams of one store are the same object (Bryant's reduction, with
 *  intervals in place of bits), so equality costs nothing. */
export type Diagram<Leaf> = DiagramLeaf<Leaf> | DiagramNode<Leaf>

export interface DiagramLeaf<Leaf> {
  readonly id: number
  readonly leaf: Leaf
}

export interface DiagramNode<Leaf> {
  readonly id: number
  /** Position in `levels`. */
  readonly level: number
  /** Where each piece begins; the first at the lowest value. */
  readonly starts: readonly LevelValue[]
  readonly children: readonly Diagram<Leaf>[]
}

let idsGiven = 0

/** A level's place in the order. */
export function placeOf(level: Level): number {
  return levels.indexOf(level)
}

export function isLeaf<Leaf>(diagram: Diagram<Leaf>): diagram is DiagramLeaf<Leaf> {
  return 'leaf' in diagram
}

/** Makes diagrams, each only once. Leaves are told apart by their text. */
export class DiagramStore<Leaf> {
  readonly family: AddressFamily
  readonly #textOf: (leaf: Leaf) => string
  readonly #leaves = new Map<string, DiagramLeaf<Leaf>>()
  readonly #nodes = new Map<string, DiagramNode<Leaf>>()

  constructor(family: AddressFamily, textOf: (leaf: Leaf) => string) {
    this.family = family
    this.#textOf = textOf
  }

  leaf(leaf: Leaf): DiagramLeaf<Leaf> {
    const text = this.#textOf(leaf)
    const known = this.#leaves.get(text)
    if (known !== undefined) return known
    const made = { id: idsGiven++, leaf }
    this.#leaves.set(text, made)
    return made
  }

  /** Pieces that lead to the same become one, and one behind the last value of the level is none; a
   *  node of one piece is its child. */
  node(
    level: number,
    starts: readonly LevelValue[],
    children: readonly Diagram<Leaf>[],
  ): Diagram<Leaf> {
    const name = levels[level]
    const highest = name === undefined ? 0 : lastValue(name, this.family)
    const begins: LevelValue[] = []
    const leads: Diagram<Leaf>[] = []
    children.forEach((child, index) => {
      const start = starts[index]
      if (start === undefined || start > highest || leads.at(-1) === child) return
      begins.push(start)
      leads.push(child)
    })
    const [only] = leads
    if (only !== undefined && leads.length === 1) return only
    const key = `${level}|${begins.join(',')}|${leads.map(({ id }) => id).join(',')}`
    const known = this.#nodes.get(key)
    if (known !== undefined) return known
    const made = { id: idsGiven++, level, starts: begins, children: leads }
    this.#nodes.set(key, made)
    return made
  }

  /** Both diagrams at once, leaf by leaf, into this store. `shortcut` may end the way down early:
   *  only with diagrams of this store. */
  combine<One, Other>(
    one: Diagram<One>,
    other: Diagram<Other>,
    leaf: (one: One, other: Other) => Leaf,
    shortcut?: (one: Diagram<One>, other: Diagram<Other>) => Diagram<Leaf> | undefined,
  ): Diagram<Leaf> {
    const done = new Map<number, Map<number, Diagram<Leaf>>>()
    const go = (a: Diagram<One>, b: Diagram<Other>): Diagram<Leaf> => {
      const short = shortcut?.(a, b)
      if (short !== undefined) return short
      if (isLeaf(a) && isLeaf(b)) return this.leaf(leaf(a.leaf, b.leaf))
      const ofA = done.get(a.id) ?? new Map<number, Diagram<Leaf>>()
      done.set(a.id, ofA)
      const known = ofA.get(b.id)
      if (known !== undefined) return known
      const level = Math.min(levelOf(a), levelOf(b))
      const starts: LevelValue[] = []
      const children: Diagram<Leaf>[] = []
      eachPiece(a, b, level, (start, childA, childB) => {
        starts.push(start)
        children.push(go(childA, childB))
      })
      const made = this.node(level, starts, children)
      ofA.set(b.id, made)
      return made
    }
    return go(one, other)
  }

  /** The same diagram with other leaves. */
  map<From>(diagram: Diagram<From>, change: (leaf: From) => Leaf): Diagram<Leaf> {
    return this.graft(diagram, (leaf) => this.leaf(change(leaf)))
  }

  /** Goes on below each leaf as another diagram says, which asks deeper levels only. */
  graft<From>(diagram: Diagram<From>, below: (leaf: From) => Diagram<Leaf>): Diagram<Leaf> {
    const done = new Map<number, Diagram<Leaf>>()
    const go = (at: Diagram<From>): Diagram<Leaf> => {
      const known = done.get(at.id)
      if (known !== undefined) return known
      const made = isLeaf(at) ? below(at.leaf) : this.node(at.level, at.starts, at.children.map(go))
      done.set(at.id, made)
      return made
    }
    return go(diagram)
  }

  /** What is left to ask once the value at the level is known. */
  restrict(diagram: Diagram<Leaf>, level: number, value: LevelValue): Diagram<Leaf> {
    const done = new Map<number, Diagram<Leaf>>()
    const go = (at: Diagram<Leaf>): Diagram<Leaf> => {
      if (isLeaf(at) || at.level > level) return at
      if (at.level === level) return childAt(at, value)
      const known = done.get(at.id)
      if (known !== undefined) return known
      const made = this.node(at.level, at.starts, at.children.map(go))
      done.set(at.id, made)
      return made
    }
    return go(diagram)
  }
}

/** The child of the piece that holds a value. */
export function childAt<Leaf>(node: DiagramNode<Leaf>, value: LevelValue): Diagram<Leaf> {
  let low = 0
  let high = node.starts.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    const start = node.starts[middle]
    if (start !== undefined && start <= value) low = middle
    else high = middle - 1
  }
  const child = node.children[low]
  if (child === undefined) throw new Error('a diagram node without pieces')
  return child
}

/** The level that a diagram asks first; behind the last one for a leaf. */
export function levelOf(diagram: Diagram<unknown>): number {
  return isLeaf(diagram) ? levels.length : diagram.level
}

/** Calls for each piece in which neither diagram changes at the level. */
export function eachPiece<One, Other>(
  one: Diagram<One>,
  other: Diagram<Other>,
  level: number,
  call: (start: LevelValue, one: Diagram<One>, other: Diagram<Other>) => void,
): void {
  const name = levels[level]
  if (name === undefined) return
  const zero = firstValue(name)
  const a = piecesOf(one, level, zero)
  const b = piecesOf(other, level, zero)
  let i = 0
  let j = 0
  let start: LevelValue = zero
  while (true) {
    const childA = a.children[i]
    const childB = b.children[j]
    if (childA === undefined || childB === undefined) return
    call(start, childA, childB)
    const nextA = a.starts[i + 1]
    const nextB = b.starts[j + 1]
    if (nextA === undefined && nextB === undefined) return
    const next = nextA === undefined || (nextB !== undefined && nextB < nextA) ? nextB : nextA
    if (next === undefined) return
    start = next
    if (nextA !== undefined && nextA <= next) i++
    if (nextB !== undefined && nextB <= next) j++
  }
}

function piecesOf<Leaf>(
  diagram: Diagram<Leaf>,
  level: number,
  zero: LevelValue,
): Pick<DiagramNode<Leaf>, 'starts' | 'children'> {
  if (!isLeaf(diagram) && diagram.level === level) return diagram
  return { starts: [zero], children: [diagram] }
}
