import { type AddressFamily, PurlinError } from '@purlin/base'
import type { Decided } from '../compile/form.ts'
import { familyNumber } from '../target/build.ts'
import {
  type Chain,
  objectKey,
  type SetElement,
  type Statement,
  type TableObjects,
  type Verdict,
} from '../target/statement.ts'
import { type Box, firstBox, overlay, positionStore, select } from './boxes.ts'
import { conditionsOf, type Fixed, narrowed } from './conditions.ts'
import { type Diagram, type DiagramStore, isLeaf } from './diagram.ts'
import { MarkSight } from './mark-sight.ts'
import { decisionStore, type PacketSpace } from './space.ts'

type Decisions = Diagram<Decided | undefined>

export interface ChainSpaceOptions {
  readonly store?: DiagramStore<Decided | undefined>
  /** What packets carry when they reach the chain. */
  readonly mark?: number
}

/** The space of what a chain of table inet does, as read back from a kernel or as it is to be
 *  loaded: every rule, look-up, jump and change of the mark is followed, for all packets at once.
 *  `chain` is a key of `objects.chains`: of a list, or of `inet/base-filter` with the mark of a NIC
 *  and direction, and then what passes unasked is part of the space. Packets that conntrack calls
 *  invalid, and TCP packets of no flow without SYN, are not of the space. Ids are those of the
 *  deciding rules and elements; logging is not told. Pure. Errors: PUR_NFT_UNREADABLE (a statement
 *  that no rule of ours has, a chain or set that is missing). */
export function spaceOfChain(
  objects: TableObjects,
  chain: string,
  family: AddressFamily,
  { store = decisionStore(family), mark = 0 }: ChainSpaceOptions = {},
): PacketSpace {
  const run = new ChainRun(objects, family, store)
  return { family, diagram: run.at({ chain, index: 0, mark, back: undefined }) }
}

/** Where packets are, with a known mark. */
interface Place {
  readonly chain: string
  readonly index: number
  readonly mark: number
  /** Where the chain was jumped to from. */
  readonly back: Back | undefined
}

interface Back {
  readonly text: string
  readonly chain: string
  readonly index: number
  readonly back: Back | undefined
}

/** Some of the packets that reach a rule, and what becomes of them; all others go on with the next
 *  rule and the mark they had. */
interface Outcome {
  readonly box: Box
  readonly leads: Decisions
}

class ChainRun {
  readonly #objects: TableObjects
  readonly #family: AddressFamily
  readonly #store: DiagramStore<Decided | undefined>
  readonly #done = new Map<string, Decisions>()
  readonly #sight: MarkSight

  constructor(
    objects: TableObjects,
    family: AddressFamily,
    store: DiagramStore<Decided | undefined>,
  ) {
    this.#objects = objects
    this.#sight = new MarkSight(objects)
    this.#family = family
    this.#store = store
  }

  at(place: Place): Decisions {
    const key = `${place.chain} ${place.index} ${this.#seen(place)} ${place.back?.text ?? ''}`
    const known = this.#done.get(key)
    if (known !== undefined) return known
    const made = this.#follow(place)
    this.#done.set(key, made)
    return made
  }

  /** What the rules from here on can tell about the mark. */
  #seen({ chain, index, mark, back }: Place): string {
    const here = this.#sight.from(chain, index, mark)
    return back === undefined ? here : `${here}/${this.#seen({ ...back, mark })}`
  }

  /** Rules that only decide are taken together: the first of their boxes wins. */
  #follow(place: Place): Decisions {
    const chain = this.#chain(place)
    const boxes: Box[] = []
    const leaves: Decisions[] = []
    for (let index = place.index; index < chain.rules.length; index++) {
      const outcomes = this.#outcomes(chain, { ...place, index })
      if (outcomes.every(({ leads }) => isLeaf(leads) && leads.leaf !== undefined)) {
        for (const { box, leads } of outcomes) {
          boxes.push(box)
          leaves.push(leads)
        }
        continue
      }
      const behind = select(
        this.#store,
        outcomes.map(({ box }) => box),
        outcomes.map(({ leads }) => leads),
        this.at({ ...place, index: index + 1 }),
      )
      return this.#first(boxes, leaves, behind)
    }
    return this.#first(boxes, leaves, this.#end(chain, place))
  }

  #first(boxes: readonly Box[], leaves: readonly Decisions[], behind: Decisions): Decisions {
    if (boxes.length === 0) return behind
    const which = firstBox(positionStore(this.#family), boxes)
    const decided = this.#store.map(which, (at) => {
      const leaf = at === undefined ? undefined : leaves[at]
      return leaf && isLeaf(leaf) ? leaf.leaf : undefined
    })
    return overlay(this.#store, decided, behind)
  }

  /** A base chain accepts, a jump goes on where it came from. */
  #end(chain: Chain, { mark, back }: Place): Decisions {
    if (back !== undefined) {
      return this.at({ chain: back.chain, index: back.index, mark, back: back.back })
    }
    if (chain.hook === undefined) return this.#store.leaf(undefined)
    return this.#store.leaf({ id: 'policy', verdict: 'accept', log: false })
  }

  #outcomes(chain: Chain, place: Place): readonly Outcome[] {
    const rule = chain.rules[place.index]
    return rule === undefined ? [] : this.#statements(rule.statements, rule.id, {}, chain, place)
  }

  #statements(
    statements: readonly Statement[],
    id: string,
    before: Box,
    chain: Chain,
    place: Place,
  ): readonly Outcome[] {
    let box = before
    for (const [at, statement] of statements.entries()) {
      const rest = statements.slice(at + 1)
      switch (statement.kind) {
        case 'counter':
        case 'log':
        case 'set-zone':
        case 'keep-mark':
          continue
        case 'limit':
          if (rest.every(({ kind }) => kind === 'log' || kind === 'counter')) return []
          throw unreadable(chain, id, 'a limit before a verdict')
        case 'match':
        case 'lookup': {
          const part = this.#condition(statement, chain, id, place.mark)
          const narrow = part && narrowed(box, part)
          if (narrow === undefined) return []
          box = narrow
          continue
        }
        case 'verdict':
          return [{ box, leads: this.#led(statement.to, id, chain, place) }]
        case 'verdict-map': {
          const elements = this.#elements(statement.map, statement.fields, chain, id, place.mark)
          return this.#keyed(elements, statement.fields, box, chain, id, place).map((found) => {
            const { value, comment } = found.element
            if (typeof value !== 'object') throw unreadable(chain, id, 'a map without verdicts')
            return { box: found.box, leads: this.#led(value, comment ?? id, chain, place) }
          })
        }
        case 'set-mark': {
          const { to } = statement
          if (typeof to === 'number') {
            return [{ box, leads: this.#marked(rest, id, chain, place, to) }]
          }
          const elements = this.#elements(to.map, to.fields, chain, id, place.mark)
          return this.#keyed(elements, to.fields, box, chain, id, place).map((found) => {
            const { value, comment } = found.element
            if (typeof value !== 'number') throw unreadable(chain, id, 'a map without marks')
            const leads = this.#marked(rest, comment ?? id, chain, place, value)
            return { box: found.box, leads }
          })
        }
      }
    }
    return []
  }

  /** The rest of a rule, and the rules behind it, with another mark. */
  #marked(
    rest: readonly Statement[],
    id: string,
    chain: Chain,
    place: Place,
    mark: number,
  ): Decisions {
    const next = this.at({ ...place, index: place.index + 1, mark })
    const outcomes = this.#statements(rest, id, {}, chain, { ...place, mark })
    return select(
      this.#store,
      outcomes.map(({ box }) => box),
      outcomes.map(({ leads }) => leads),
      next,
    )
  }

  #led(to: Verdict, id: string, chain: Chain, place: Place): Decisions {
    switch (to.verdict) {
      case 'accept':
      case 'drop':
        return this.#store.leaf({ id, verdict: to.verdict, log: false })
      case 'return':
        return this.#end(chain, place)
      case 'continue':
        return this.at({ ...place, index: place.index + 1 })
      case 'goto':
        return this.at({ ...place, chain: this.#nameOf(chain, to.chain), index: 0 })
      case 'jump': {
        const { chain: from, index, back, mark } = place
        const text = `${from} ${index + 1} (${back?.text ?? ''})`
        const target = this.#nameOf(chain, to.chain)
        return this.at({
          chain: target,
          index: 0,
          mark,
          back: { text, chain: from, index: index + 1, back },
        })
      }
    }
  }

  #condition(
    statement: Extract<Statement, { kind: 'match' | 'lookup' }>,
    chain: Chain,
    id: string,
    mark: number,
  ): Box | undefined {
    const fixed = this.#fixed(mark)
    if (statement.kind === 'match') {
      const { field, mask, operator, values } = statement
      const condition = { fields: [field], keys: [values], mask, operator }
      return this.#readable(conditionsOf(condition, fixed), chain, id)
    }
    const { fields, operator, set } = statement
    const [field] = fields
    if (fields.length !== 1 || field === undefined) throw unreadable(chain, id, 'a set of several')
    const keys = this.#elements(set, fields, chain, id, mark).flatMap(({ key }) => key)
    const condition = { fields, keys: [keys], mask: undefined, operator }
    return this.#readable(conditionsOf(condition, fixed), chain, id)
  }

  /** Elements with the packets that hit them. */
  #keyed(
    elements: readonly SetElement[],
    fields: Extract<Statement, { kind: 'verdict-map' }>['fields'],
    box: Box,
    chain: Chain,
    id: string,
    { mark }: Place,
  ): readonly { readonly element: SetElement; readonly box: Box }[] {
    return elements.flatMap((element) => {
      const keys = element.key.map((range) => [range])
      const condition = { fields, keys, mask: undefined, operator: '==' as const }
      const part = this.#readable(conditionsOf(condition, this.#fixed(mark)), chain, id)
      const narrow = part && narrowed(box, part)
      return narrow === undefined ? [] : [{ element, box: narrow }]
    })
  }

  #readable(part: Box | 'never' | 'unknown', chain: Chain, id: string): Box | undefined {
    if (part === 'unknown') throw unreadable(chain, id, 'a field that lists do not ask for')
    return part === 'never' ? undefined : part
  }

  #fixed(mark: number): Fixed {
    return { family: this.#family, mark, nfproto: familyNumber[this.#family] }
  }

  /** The elements of a set or map that a packet with this mark can hit. */
  #elements(
    set: string | readonly SetElement[],
    fields: Extract<Statement, { kind: 'verdict-map' }>['fields'],
    chain: Chain,
    id: string,
    mark: number,
  ): readonly SetElement[] {
    if (typeof set !== 'string') return set
    const key = objectKey({ table: chain.table, name: set })
    const found = this.#objects.sets.get(key)
    if (found === undefined) throw unreadable(chain, id, `set ${set}, which is missing`)
    const part = fields.indexOf('meta mark')
    if (part === -1) return [...found.elements.values()]
    return this.#sight.elements(key, part).get(mark) ?? []
  }

  #nameOf(from: Chain, name: string): string {
    return objectKey({ table: from.table, name })
  }

  #chain({ chain }: Place): Chain {
    const found = this.#objects.chains.get(chain)
    if (found === undefined) {
      throw new PurlinError('PUR_NFT_UNREADABLE', {
        message: `the rules lead to chain ${chain}, which is missing`,
        context: { chain },
      })
    }
    return found
  }
}

function unreadable(chain: Chain, rule: string, what: string): PurlinError {
  return new PurlinError('PUR_NFT_UNREADABLE', {
    message: `chain ${chain.table} ${chain.name}, rule ${rule}: has ${what}, so that what it decides cannot be told`,
    context: { chain: chain.name, rule },
  })
}
