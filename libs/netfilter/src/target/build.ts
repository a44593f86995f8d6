import type {
  Field,
  LookupKey,
  MatchStatement,
  SetElement,
  Statement,
  Value,
  ValueRange,
  Verdict,
} from './statement.ts'

/** `FIELD == VALUE`, or `!=`. */
export function is(field: Field, value: Value, operator: '==' | '!=' = '=='): MatchStatement {
  return { kind: 'match', field, operator, values: [{ first: value, last: value }] }
}

/** `FIELD == { … }`, or `!=`; the values are put in order, each once. */
export function isAnyOf(
  field: Field,
  values: readonly (Value | ValueRange)[],
  operator: '==' | '!=' = '==',
): MatchStatement {
  const ranges = values
    .map((value) => (typeof value === 'object' ? value : { first: value, last: value }))
    .map(({ first, last }) => ({ first, last }))
    .toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))
    .filter(({ first }, index, all) => all[index - 1]?.first !== first)
  return { kind: 'match', field, operator, values: ranges }
}

/** More values than these are looked up in a set. */
const COMPARED_MAX = 8

/** `FIELD != VALUE FIELD != VALUE …`. Few values are compared one by one: an anonymous set costs
 *  more than that to ask, and far more to make, because the kernel looks through all sets of the
 *  table for a free name. */
export function isNoneOf(
  field: Field,
  values: readonly (Value | ValueRange)[],
): readonly Statement[] {
  const whole = isAnyOf(field, values, '!=')
  // nft has no name for this field, and takes its networks in a set alone as it shows them.
  const isNetwork = whole.values.some(({ first, last }) => first !== last)
  const isSet = whole.values.length > COMPARED_MAX || (field === 'icmpv6 target' && isNetwork)
  if (isSet) return [whole]
  return whole.values.map((range) => ({ ...whole, values: [range] }))
}

/** `FIELD & MASK == VALUE`, or `!=`. */
export function isMasked(
  field: Field,
  mask: number,
  value: number,
  operator: '==' | '!=' = '==',
): MatchStatement {
  return { kind: 'match', field, mask, operator, values: [{ first: value, last: value }] }
}

const states = { invalid: 1, established: 2, related: 4, new: 8 } as const

/** `ct state STATE`. */
export function isState(state: keyof typeof states): MatchStatement {
  return isMasked('ct state', states[state], 0, '!=')
}

export function isInSet(field: Field, set: string, operator: '==' | '!=' = '=='): Statement {
  return { kind: 'lookup', fields: [field], operator, set }
}

export function verdictBy(key: LookupKey, map: string | readonly SetElement[]): Statement {
  return { kind: 'verdict-map', ...key, map }
}

export function markBy(key: LookupKey, map: string): Statement {
  return { kind: 'set-mark', to: { ...key, map } }
}

export const counter: Statement = { kind: 'counter' }

export function ends(verdict: 'accept' | 'drop' | 'return'): Statement {
  return { kind: 'verdict', to: { verdict } }
}

export function leads(verdict: 'jump' | 'goto', chain: string): Statement {
  return { kind: 'verdict', to: { verdict, chain } }
}

/** `KEY : VERDICT`, of a map whose key has one part. */
export function verdictElement(key: Value, value: Verdict): SetElement {
  return { key: [{ first: key, last: key }], value }
}

/** Numbers of the address families in `meta nfproto`, and of their EtherTypes. */
export const familyNumber = { ipv4: 2, ipv6: 10 } as const
export const etherType = { ipv4: 0x800, arp: 0x806, rarp: 0x8035, ipv6: 0x86dd } as const
