import type { AddressFamily } from '@purlin/base'
import type { Field, ValueRange } from '../target/statement.ts'
import type { Box } from './boxes.ts'
import {
  firstValue,
  following,
  type Level,
  type LevelRange,
  type LevelValue,
  lastValue,
  preceding,
  UNKNOWN,
} from './levels.ts'
import { mergedRanges } from './space.ts'

/** What is known of every packet while a chain is followed. */
export interface Fixed {
  readonly family: AddressFamily
  readonly mark: number
  /** The number of the family in `meta nfproto`. */
  readonly nfproto: number
}

/** A condition on several fields, each with the values that it may have. */
export interface Condition {
  readonly fields: readonly Field[]
  readonly keys: readonly (readonly ValueRange[])[]
  readonly mask: number | undefined
  readonly operator: '==' | '!='
}

/** Only SYN is set: new TCP packets of the space begin a connection. */
const SYN = 0x02

/** Bits of `ct state`, in the order of the level's values. */
const STATE_BITS = [8, 2, 4] as const

/** The packets that fulfil a condition: a box, `never`, or `unknown` for a field that packets of
 *  the space do not have. Pure. */
export function conditionsOf(condition: Condition, fixed: Fixed): Box | 'never' | 'unknown' {
  const { fields, keys, mask, operator } = condition
  let box: Box = {}
  for (const [index, field] of fields.entries()) {
    const values = keys[index] ?? []
    // Type and code of a key are one value of a level; the code is read with its type.
    if (isCode(field) && index > 0) continue
    const code = isType(field) ? fields.findIndex(isCode) : -1
    const codes = code === -1 ? undefined : keys[code]
    const part = ofField(field, values, codes, mask, operator, fixed)
    if (part === 'unknown' || part === 'never') return part
    const narrow = narrowed(box, part)
    if (narrow === undefined) return 'never'
    box = narrow
  }
  return box
}

function isType(field: Field): boolean {
  return field === 'icmp type' || field === 'icmpv6 type'
}

function isCode(field: Field): boolean {
  return field === 'icmp code' || field === 'icmpv6 code'
}

function ofField(
  field: Field,
  values: readonly ValueRange[],
  codes: readonly ValueRange[] | undefined,
  mask: number | undefined,
  operator: '==' | '!=',
  { family, mark, nfproto }: Fixed,
): Box | 'never' | 'unknown' {
  const known = (value: number): Box | 'never' => {
    const masked = mask === undefined ? value : (value & mask) >>> 0
    const held = numbers(values).some(({ first, last }) => first <= masked && masked <= last)
    return held === (operator === '==') ? {} : 'never'
  }
  const asked = (level: Level, ranges: readonly LevelRange[]): Box | 'never' => {
    const merged = mergedRanges(ranges)
    const wanted = operator === '==' ? merged : complement(level, merged, family)
    return wanted.length === 0 ? 'never' : { [level]: wanted }
  }
  switch (field) {
    case 'meta mark':
      return known(mark)
    case 'meta nfproto':
      return known(nfproto)
    case 'tcp flags':
      return known(SYN)
    case 'ct state': {
      const ranges = STATE_BITS.flatMap((bit, state) => {
        const masked = mask === undefined ? bit : bit & mask
        const held = numbers(values).some(({ first, last }) => first <= masked && masked <= last)
        return held === (operator === '==') ? [{ first: state, last: state }] : []
      })
      return ranges.length === 0 ? 'never' : { state: mergedRanges(ranges) }
    }
    case 'meta l4proto':
      return mask === undefined ? asked('protocol', numbers(values)) : 'unknown'
    case 'th sport':
      return mask === undefined ? asked('sourcePort', numbers(values)) : 'unknown'
    case 'th dport':
      return mask === undefined ? asked('detail', numbers(values)) : 'unknown'
    case 'ip saddr':
    case 'ip6 saddr':
    case 'ip daddr':
    case 'ip6 daddr': {
      const level = field.endsWith('saddr') ? 'source' : 'destination'
      const own = field.startsWith(family === 'ipv4' ? 'ip ' : 'ip6 ')
      return own && mask === undefined ? asked(level, addresses(values)) : 'unknown'
    }
    case 'icmp type':
    case 'icmpv6 type':
      return asked('detail', typeRanges(numbers(values), codes && numbers(codes)))
    case 'icmp code':
    case 'icmpv6 code':
      return asked('detail', typeRanges([{ first: 0, last: 255 }], numbers(values)))
    default:
      return 'unknown'
  }
}

function numbers(values: readonly ValueRange[]): readonly { first: number; last: number }[] {
  return values.map(({ first, last }) => ({ first: Number(first), last: Number(last) }))
}

function addresses(values: readonly ValueRange[]): readonly LevelRange[] {
  return values.map(({ first, last }) => ({ first: BigInt(first), last: BigInt(last) }))
}

function typeRanges(
  types: readonly { first: number; last: number }[],
  codes: readonly { first: number; last: number }[] | undefined,
): readonly LevelRange[] {
  return types.flatMap(({ first, last }) => {
    if (codes === undefined) return [{ first: first * 256, last: last * 256 + 255 }]
    const every = Array.from({ length: last - first + 1 }, (_, index) => first + index)
    return every.flatMap((type) =>
      codes.map((code) => ({ first: type * 256 + code.first, last: type * 256 + code.last })),
    )
  })
}

/** The other values of a level. A packet that does not have the bytes breaks off a rule, whatever
 *  the rule asks. */
function complement(
  level: Level,
  ranges: readonly LevelRange[],
  family: AddressFamily,
): readonly LevelRange[] {
  const isPort = level === 'detail' || level === 'sourcePort'
  const end = isPort ? UNKNOWN - 1 : lastValue(level, family)
  const others: LevelRange[] = []
  let next: LevelValue = firstValue(level)
  for (const { first, last } of ranges) {
    if (first > next) others.push({ first: next, last: preceding(first) })
    next = following(last)
  }
  if (next <= end) others.push({ first: next, last: end })
  return others
}

/** The packets of both boxes; undefined where there is none. */
export function narrowed(one: Box, other: Box): Box | undefined {
  const box: Partial<Record<Level, readonly LevelRange[]>> = { ...one }
  for (const [name, ranges] of Object.entries(other) as [Level, readonly LevelRange[]][]) {
    const known = one[name]
    const both = known === undefined ? ranges : common(known, ranges)
    if (both.length === 0) return undefined
    box[name] = both
  }
  return box
}

function common(one: readonly LevelRange[], other: readonly LevelRange[]): readonly LevelRange[] {
  return one.flatMap((range) =>
    other.flatMap(({ first, last }) => {
      if (range.last < first || last < range.first) return []
      return [{ first: higher(range.first, first), last: lower(range.last, last) }]
    }),
  )
}

function higher(one: LevelValue, other: LevelValue): LevelValue {
  if (one < other) return other
  return one
}

function lower(one: LevelValue, other: LevelValue): LevelValue {
  if (one < other) return one
  return other
}
