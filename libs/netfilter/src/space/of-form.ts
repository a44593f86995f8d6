import type { AddressFamily } from '@purlin/base'
import {
  type CompiledForm,
  type Decided,
  IDENTITY_BASE,
  IDENTITY_MASK,
  type IdentityForm,
  type KeyRange,
  type Lookup,
  type LookupGuard,
  type MarkLookup,
  type VerdictLookup,
} from '../compile/form.ts'
import type { CompiledRule, CompiledRuleset, Match } from '../compile/ruleset.ts'
import { addressValue } from '../compile/run-linear.ts'
import { protocolNumbers } from '../policy/protocol.ts'
import { type Box, firstBox, positionStore, select } from './boxes.ts'
import type { Diagram, DiagramStore } from './diagram.ts'
import { type LevelRange, type LevelValue, states } from './levels.ts'
import { decisionStore, icmpRange, mergedRanges, type PacketSpace } from './space.ts'

type Tables = Pick<CompiledRuleset, 'sets' | 'classes' | 'views'>
type Decisions = Diagram<Decided | undefined>
type Store = DiagramStore<Decided | undefined>

export interface FormSpaceOptions {
  readonly store?: Store
  /** What packets carry when they reach the list. */
  readonly mark?: number
}

/** The space of a compiled form, by what it would do to each packet and not by what it was compiled
 *  from. Pure. */
export function spaceOfForm(
  form: CompiledForm,
  tables: Tables,
  family: AddressFamily,
  { store = decisionStore(family), mark = 0 }: FormSpaceOptions = {},
): PacketSpace {
  if (form.form === 'linear') return { family, diagram: linear(form.rules, tables, family, store) }
  return { family, diagram: new Run(form, tables, family, store).from(0, mark) }
}

function linear(
  rules: readonly CompiledRule[],
  tables: Tables,
  family: AddressFamily,
  store: Store,
): Decisions {
  const found = rules.flatMap((rule) => {
    const box = matchBox(rule.matches, tables, family)
    return box === undefined ? [] : [{ rule, box }]
  })
  const which = firstBox(
    positionStore(family),
    found.map(({ box }) => box),
  )
  return store.map(which, (at) => {
    const rule = at === undefined ? undefined : found[at]?.rule
    return rule && { id: rule.id, verdict: rule.verdict, log: rule.log }
  })
}

/** The packets that fulfil all conditions; undefined where none can. */
export function matchBox(
  matches: readonly Match[],
  { sets }: Pick<Tables, 'sets'>,
  family: AddressFamily,
): Box | undefined {
  let box: Box = {}
  for (const match of matches) {
    const part = boxOf(match, sets, family)
    if (Object.values(part).some((ranges) => ranges.length === 0)) return undefined
    box = { ...box, ...part }
  }
  return box
}

function boxOf(match: Match, sets: Tables['sets'], family: AddressFamily): Box {
  switch (match.on) {
    case 'address':
      return { [match.side]: match.ranges.filter((range) => range.family === family) }
    case 'group': {
      const set = sets.get(match.set)
      const own = set?.family === family ? set.addresses : []
      return { [match.side]: mergedRanges(own.map((text) => only(addressValue(text, family)))) }
    }
    case 'protocol':
      return { protocol: [only(match.protocol)] }
    case 'ports':
      return { protocol: [only(match.protocol)], detail: match.ranges }
    case 'source-port':
      return { protocol: [only(match.protocol)], sourcePort: [only(match.port)] }
    case 'icmp':
      return { protocol: [only(match.protocol)], detail: [icmpRange(match.type, match.code)] }
    case 'related':
      return { state: [only(states.related)] }
  }
}

function only(value: LevelValue): LevelRange {
  return { first: value, last: value }
}

interface Element {
  readonly key: readonly KeyRange[]
  readonly leads: { readonly mark: number } | Decided
}

/** Runs the look-ups with a known mark and every packet at once. */
class Run {
  readonly #form: IdentityForm
  readonly #tables: Tables
  readonly #family: AddressFamily
  readonly #store: Store
  /** From which look-up on the mark does not matter any more. */
  readonly #unmarked: number
  readonly #done = new Map<string, Decisions>()
  readonly #byMark = new Map<Lookup, ReadonlyMap<number, readonly Element[]>>()

  constructor(form: IdentityForm, tables: Tables, family: AddressFamily, store: Store) {
    this.#form = form
    this.#tables = tables
    this.#family = family
    this.#store = store
    this.#unmarked = 1 + form.lookups.findLastIndex(readsMark)
  }

  /** What is decided about every packet that reaches a look-up with this mark. */
  from(index: number, mark: number): Decisions {
    const lookup = this.#form.lookups[index]
    if (lookup === undefined) return this.#store.leaf(this.#form.rest)
    const key = `${index} ${index >= this.#unmarked ? 0 : mark}`
    const known = this.#done.get(key)
    if (known !== undefined) return known
    const made = this.#through(lookup, index, mark)
    this.#done.set(key, made)
    return made
  }

  #through(lookup: Lookup, index: number, mark: number): Decisions {
    const behind = this.from(index + 1, mark)
    const { side } = this.#form
    if (lookup.sets === 'view') {
      const to = this.#tables.views.get(lookup.view)?.classes.get(mark)
      return to === undefined ? behind : this.from(index + 1, to)
    }
    if (lookup.sets === 'class') {
      const own = [...this.#tables.classes[this.#family].classes]
      return select(
        this.#store,
        own.map(([text]) => ({ [side]: [only(addressValue(text, this.#family))] })),
        own.map(([, to]) => this.from(index + 1, to)),
        behind,
      )
    }
    const guard = guardBox(lookup.guard, mark, this.#family)
    const elements = this.#elements(lookup, mark)
    if (guard === undefined || elements.length === 0) return behind
    return select(
      this.#store,
      elements.map(({ key }) => ({ ...guard, ...elementBox(lookup, key, side) })),
      elements.map(({ leads }) =>
        'mark' in leads ? this.from(index + 1, leads.mark) : this.#store.leaf(leads),
      ),
      behind,
    )
  }

  /** The elements that a packet with this mark can hit. */
  #elements(lookup: MarkLookup | VerdictLookup, mark: number): readonly Element[] {
    const place = lookup.key.indexOf('mark')
    const known = this.#byMark.get(lookup) ?? byMark(lookup, place)
    this.#byMark.set(lookup, known)
    return known.get(place === -1 ? 0 : mark) ?? []
  }
}

function readsMark(lookup: Lookup): boolean {
  if (lookup.sets === 'class') return false
  if (lookup.sets === 'view') return true
  return lookup.guard === 'no-identity' || lookup.key.includes('mark')
}

function byMark(
  lookup: MarkLookup | VerdictLookup,
  place: number,
): ReadonlyMap<number, readonly Element[]> {
  const found = new Map<number, Element[]>()
  for (const element of lookup.elements) {
    const { key } = element
    const mark = place === -1 ? 0 : Number(key[place]?.first)
    const leads =
      'mark' in element
        ? { mark: element.mark }
        : { id: element.id, verdict: element.verdict, log: element.log }
    const known = found.get(mark)
    if (known === undefined) found.set(mark, [{ key, leads }])
    else known.push({ key, leads })
  }
  return found
}

/** The packets that find an element, its mark aside. */
function elementBox(
  lookup: MarkLookup | VerdictLookup,
  key: readonly KeyRange[],
  side: 'source' | 'destination',
): Box {
  const part = (field: (typeof lookup.key)[number]) => key[lookup.key.indexOf(field)]
  const address = part('address')
  const protocol = part('protocol')
  const type = part('icmpType')
  const code = part('icmpCode')
  const detail = type ? icmpRange(Number(type.first), code && Number(code.first)) : part('port')
  return {
    ...(address && { [side]: [address] }),
    ...(protocol && { protocol: [protocol] }),
    ...(detail && { detail: [detail] }),
  }
}

const { tcp, udp, sctp, icmp, icmpv6 } = protocolNumbers

/** What a guard asks of a packet with this mark; undefined where none passes. A part of the key
 *  that asks the same is at least as narrow. */
function guardBox(guard: LookupGuard, mark: number, family: AddressFamily): Box | undefined {
  switch (guard) {
    case 'always':
      return {}
    case 'ports':
      return { protocol: [only(tcp), only(udp), only(sctp)] }
    case 'icmp':
      return { protocol: [only(family === 'ipv4' ? icmp : icmpv6)] }
    case 'no-identity':
      return (mark & IDENTITY_MASK) >>> 0 === IDENTITY_BASE ? undefined : {}
  }
}
