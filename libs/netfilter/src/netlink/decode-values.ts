import type { Field, Statement, Value, ValueRange } from '../target/statement.ts'
import { highestValue, neighbour, readValue, type ValueForm } from '../target/values.ts'
import { dataAttribute } from './constants.ts'
import type { RawElement } from './decode-set.ts'
import type { Attributes } from './reader.ts'

/** `FIELD ==|!= FIRST-LAST` of two attributes. */
export function rangeMatch(
  field: Field,
  operator: '==' | '!=',
  form: ValueForm,
  content: Attributes,
  from: number,
  to: number,
): Statement {
  const read = (attribute: number): Value => {
    const bytes = content.nested(attribute)?.bytes(dataAttribute.value)
    return readValue(bytes ?? new Uint8Array(form.length), form, 0)
  }
  return { kind: 'match', field, operator, values: [{ first: read(from), last: read(to) }] }
}

/** How many bits of a mask are set. */
export function bitsOf(mask: Uint8Array): number {
  let bits = 0
  for (const byte of mask) bits += byte.toString(2).replaceAll('0', '').length
  return bits
}

/** The network of an address that was compared in part. */
export function networkOf(bytes: Uint8Array, form: ValueForm, prefix: number): ValueRange {
  const whole = new Uint8Array(form.length)
  whole.set(bytes.subarray(0, form.length))
  const first = BigInt(readValue(whole, form, 0))
  return { first, last: first + (1n << BigInt(form.length * 8 - prefix)) - 1n }
}

/** Elements in the order of their keys' bytes. */
export function byKey(a: RawElement, b: RawElement): number {
  return Buffer.compare(a.key, b.key)
}

/** The values that the elements of an anonymous set are. */
export function valuesOf(raw: readonly RawElement[], form: ValueForm): readonly ValueRange[] {
  const ordered = raw.toSorted((a, b) => byKey(a, b) || Number(b.isEnd) - Number(a.isEnd))
  const interval = ordered.some(({ isEnd }) => isEnd)
  const values: ValueRange[] = []
  ordered.forEach((one, index) => {
    if (one.isEnd) return
    const first = readValue(one.key, form, 0)
    const next = ordered[index + 1]
    const open =
      next === undefined ? highestValue(form) : neighbour(readValue(next.key, form, 0), -1)
    values.push({ first, last: interval ? open : first })
  })
  return values
}
