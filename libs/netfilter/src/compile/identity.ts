import type { AddressFamily } from '@purlin/base'
import type { FlatRule } from '../flatten.ts'
import { decidedBy, decidedByDefault } from './decided.ts'
import { type Decided, IDENTITY_BASE, type IdentityForm, type MarkLookup } from './form.ts'
import { type AddressInterval, addressIntervals, isForAnyone, union } from './intervals.ts'
import type { ListContent } from './linear.ts'
import type { Meetings } from './meetings.ts'
import { baseOverlay, type Overlay, overlay, sizeOf } from './overlay.ts'
import { verdictLookups } from './verdict-lookups.ts'
import { type RulePosition, type Winners, winnersOf } from './winners.ts'

/** The part of a class that a list names, with the number its packets carry. */
export interface ClassPart {
  readonly groups: readonly string[]
  readonly number: number
}

/** Beyond these a list is not worth the form: wide networks inside each other times many groups. */
export interface IdentityBudget {
  readonly elementsMax: number
  /** Rules of all address intervals together, while the form is worked out. */
  readonly workMax: number
}

export function identityBudget(rules: number): IdentityBudget {
  return { elementsMax: 4_096 + 16 * rules, workMax: 65_536 + 64 * rules }
}

/** The addresses that a list names itself in one family, cut into intervals. Undefined where they
 *  are beyond the budget. Pure. */
export function intervalsOf(
  { rules }: ListContent,
  family: AddressFamily,
): readonly AddressInterval[] | undefined {
  const own = rules.filter((rule) => rule.families.includes(family))
  return addressIntervals(own, identityBudget(rules.length).workMax)
}

/** What of the host's classes a list's identity form goes by. */
export interface ClassSight {
  /** The single groups that the list names and the combinations of them that addresses have. */
  readonly parts: readonly ClassPart[]
  /** The key of the list's view. */
  readonly view: string | undefined
  /** Where members lie among the addresses that the list names itself. */
  readonly meetings: Meetings
}

/** The identity form of a list in one family. `intervals` are its own. Undefined where it would be
 *  larger than the budget. Pure. */
export function compileIdentity(
  list: ListContent,
  family: AddressFamily,
  intervals: readonly AddressInterval[],
  { parts, view, meetings }: ClassSight,
): IdentityForm | undefined {
  const budget = identityBudget(list.rules.length)
  const rules = list.rules.filter((rule) => rule.families.includes(family))
  const builder = new Builder(rules, budget)
  const groupRules = rulesByGroup(rules)
  const named = parts.map(({ groups, number }) => {
    const positions = groups.map((group) => groupRules.get(group) ?? [])
    return { number, rules: positions.reduce(union, []) }
  })
  for (const { number, rules: own } of named) builder.put(number, own)
  const addresses = intervals.map((interval) => ({
    interval,
    mark: builder.identify(interval.rules),
  }))
  const pairs = named.flatMap(({ number, rules: own }) =>
    addresses.flatMap(({ interval, mark }) => {
      if (!meetings.has(number, interval)) return []
      const both = builder.identify(union(own, interval.rules))
      return both === undefined || both === mark ? [] : [{ number, interval, mark: both }]
    }),
  )
  if (builder.size > budget.elementsMax) return undefined
  const decisions: readonly Decided[] = rules.map((rule) => decidedBy(rule, list.direction))
  const { entries, rest } = baseOverlay(builder.base)
  const byDefault = decidedByDefault(list.defaultAction)
  return {
    form: 'identity',
    side: list.direction === 'inbound' ? 'source' : 'destination',
    lookups: [
      ...(view === undefined ? [] : ([{ sets: 'class' }, { sets: 'view', view }] as const)),
      ...pairLookup(pairs),
      ...addressLookup(addresses),
      ...verdictLookups(builder.overlays, entries, family, (at) => decisions[at] ?? byDefault),
    ],
    rest: decisions[rest] ?? byDefault,
  }
}

function rulesByGroup(rules: readonly FlatRule[]): ReadonlyMap<string, readonly RulePosition[]> {
  const found = new Map<string, RulePosition[]>()
  rules.forEach((rule, position) => {
    if (isForAnyone(rule)) return
    for (const group of rule.peer?.groups ?? []) {
      const known = found.get(group)
      if (known === undefined) found.set(group, [position])
      else known.push(position)
    }
  })
  return found
}

/** Gives numbers to what addresses are to the list. Equal policies have one number. */
class Builder {
  readonly base: Winners
  /** By mark. */
  readonly overlays = new Map<number, Overlay>()
  /** Elements so far. */
  size = 0
  readonly #rules: readonly FlatRule[]
  readonly #budget: IdentityBudget
  readonly #protocols: readonly number[]
  readonly #numbers = new Map<string, number | undefined>()

  constructor(rules: readonly FlatRule[], budget: IdentityBudget) {
    this.#rules = rules
    this.#budget = budget
    const protocols = new Set<number>()
    for (const { protocol } of rules) if (protocol !== 'all') protocols.add(protocol)
    this.#protocols = [...protocols].sort((a, b) => a - b)
    const open = rules.flatMap((rule, position) => (isForAnyone(rule) ? [position] : []))
    this.base = winnersOf(rules, open, this.#protocols)
  }

  /** Under this mark the rules at these positions match, beside those for anyone. */
  put(mark: number, positions: readonly RulePosition[]): void {
    const own = this.#overlay(positions)
    this.overlays.set(mark, own)
    this.size += sizeOf(own)
  }

  /** The identity of an address that the rules at these positions name; undefined: it is nobody,
   *  because the rules for anyone decide all. */
  identify(positions: readonly RulePosition[]): number | undefined {
    const key = positions.join(',')
    if (this.#numbers.has(key)) return this.#numbers.get(key)
    const own = this.size > this.#budget.elementsMax ? undefined : this.#overlay(positions)
    let number: number | undefined
    if (own !== undefined && sizeOf(own) > 0) {
      const content = JSON.stringify(own)
      number = this.#numbers.get(content)
      if (number === undefined) {
        number = IDENTITY_BASE + this.#count++
        this.#numbers.set(content, number)
        this.overlays.set(number, own)
        this.size += sizeOf(own)
      }
    }
    this.#numbers.set(key, number)
    return number
  }

  #count = 0

  #overlay(positions: readonly RulePosition[]): Overlay {
    return overlay(winnersOf(this.#rules, positions, this.#protocols), this.base)
  }
}

interface Pair {
  readonly number: number
  readonly interval: AddressInterval
  readonly mark: number
}

/** Identities of addresses that are both of a class and named themselves. */
function pairLookup(pairs: readonly Pair[]): readonly MarkLookup[] {
  if (pairs.length === 0) return []
  const elements = pairs.map(({ number, interval: { first, last }, mark }) => {
    return {
      key: [
        { first: number, last: number },
        { first, last },
      ],
      mark,
    }
  })
  const ranged = pairs.some(({ interval }) => interval.first !== interval.last)
  const key = ['mark', 'address'] as const
  return [{ sets: 'mark', name: 'pair', key, ranged, guard: 'always', elements }]
}

function addressLookup(
  addresses: readonly { readonly interval: AddressInterval; readonly mark: number | undefined }[],
): readonly MarkLookup[] {
  const elements: { key: { first: bigint; last: bigint }[]; mark: number }[] = []
  for (const { interval, mark } of addresses) {
    if (mark === undefined) continue
    const before = elements.at(-1)
    const [range] = before?.key ?? []
    if (range !== undefined && before?.mark === mark && range.last + 1n === interval.first) {
      range.last = interval.last
    } else elements.push({ key: [{ first: interval.first, last: interval.last }], mark })
  }
  if (elements.length === 0) return []
  const ranged = elements.some(({ key: [range] }) => range?.first !== range?.last)
  return [
    { sets: 'mark', name: 'address', key: ['address'], ranged, guard: 'no-identity', elements },
  ]
}
