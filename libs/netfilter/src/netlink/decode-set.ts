import type { TableFamily } from '../target/names.ts'
import type {
  KeyType,
  SetElement,
  SetShape,
  Value,
  ValueRange,
  Verdict,
} from '../target/statement.ts'
import {
  formOfKey,
  highestValue,
  keyTypeOf,
  neighbour,
  readValue,
  type ValueForm,
} from '../target/values.ts'
import {
  DATA_TYPE_VERDICT,
  dataAttribute,
  ELEMENT_INTERVAL_END,
  elementAttribute,
  elementUserData,
  expressionAttribute,
  setAttribute,
  setFlag,
  setUserData,
  verdictAttribute,
  verdictCode,
} from './constants.ts'
import { type Attributes, textOf } from './reader.ts'
import type { Counter } from './socket.ts'

const MARK_FORM = formOfKey('mark')
const PART_BITS = 6
const PART_MASK = 0x3f
/** Flags that a set of ours may have. */
const KNOWN_FLAGS = setFlag.interval | setFlag.map | setFlag.concatenation

/** A set's shape, or undefined for one that our model cannot say. */
export function readSetShape(table: TableFamily, set: Attributes): SetShape | undefined {
  const name = set.text(setAttribute.name) ?? ''
  const flags = set.u32(setAttribute.flags) ?? 0
  const key = keyTypes(set.u32(setAttribute.keyType) ?? 0)
  const dataType = set.u32(setAttribute.dataType)
  const value = valueType(dataType)
  if (key === undefined || (flags & ~KNOWN_FLAGS) !== 0 || set.has(setAttribute.timeout)) {
    return undefined
  }
  if (value === 'other' || set.has(setAttribute.objectType)) return undefined
  const expression = set.nested(setAttribute.expression)?.text(expressionAttribute.name)
  if (expression !== undefined && expression !== 'counter') return undefined
  const comment = noteText(set.bytes(setAttribute.userData), setUserData.comment)
  return {
    table,
    name,
    key,
    ...(value !== undefined && { value }),
    interval: (flags & setFlag.interval) !== 0,
    counter: expression === 'counter',
    ...(comment !== undefined && { comment }),
  }
}

function keyTypes(type: number): readonly KeyType[] | undefined {
  const parts: KeyType[] = []
  for (let rest = type; rest > 0; rest >>>= PART_BITS) {
    const part = keyTypeOf(rest & PART_MASK)
    if (part === undefined) return undefined
    parts.unshift(part)
  }
  return parts.length === 0 ? undefined : parts
}

function valueType(dataType: number | undefined): 'verdict' | 'mark' | 'other' | undefined {
  if (dataType === undefined) return undefined
  if (dataType === DATA_TYPE_VERDICT) return 'verdict'
  return dataType === MARK_FORM.dataType ? 'mark' : 'other'
}

/** An element as the kernel holds it: where single-part sets have ranges, a start or an end. */
export interface RawElement {
  readonly key: Uint8Array
  readonly keyEnd: Uint8Array | undefined
  readonly isEnd: boolean
  readonly value: Verdict | number | undefined
  readonly comment: string | undefined
  readonly counter: Counter | undefined
}

export function readRawElement(element: Attributes): RawElement {
  const data = element.nested(elementAttribute.data)
  const flags = element.u32(elementAttribute.flags) ?? 0
  return {
    key: element.nested(elementAttribute.key)?.bytes(dataAttribute.value) ?? new Uint8Array(0),
    keyEnd: element.nested(elementAttribute.keyEnd)?.bytes(dataAttribute.value),
    isEnd: (flags & ELEMENT_INTERVAL_END) !== 0,
    value: data && (readVerdict(data) ?? readMark(data)),
    comment: noteText(element.bytes(elementAttribute.userData), elementUserData.comment),
    counter: readElementCounter(element),
  }
}

function readMark(value: Attributes): number | undefined {
  const bytes = value.bytes(dataAttribute.value)
  return bytes?.length === MARK_FORM.length ? Number(readValue(bytes, MARK_FORM, 0)) : undefined
}

function readElementCounter(element: Attributes): Counter | undefined {
  const expression = element.nested(elementAttribute.expression)
  if (expression?.text(expressionAttribute.name) !== 'counter') return undefined
  return readCounter(expression.nested(expressionAttribute.content))
}

/** What a counter's content says. */
export function readCounter(content: Attributes | undefined): Counter {
  return { bytes: content?.u64(1) ?? 0n, packets: content?.u64(2) ?? 0n }
}

/** A verdict of an attribute of data, or undefined where it holds a value. */
export function readVerdict(data: Attributes): Verdict | undefined {
  const verdict = data.nested(dataAttribute.verdict)
  if (verdict === undefined) return undefined
  const code = verdict.u32(verdictAttribute.code) ?? 0
  const word = verdictWords.get(code)
  const chain = verdict.text(verdictAttribute.chain)
  if (word === 'jump' || word === 'goto') {
    return chain === undefined ? undefined : { verdict: word, chain }
  }
  return word && { verdict: word }
}

const verdictWords = new Map<number, Verdict['verdict']>(
  (Object.keys(verdictCode) as Verdict['verdict'][]).map((word) => [verdictCode[word], word]),
)

/** An element with its counter. */
export interface CountedElement {
  readonly element: SetElement
  readonly counter: Counter | undefined
}

/** The elements of a set in order of their keys; starts and ends become ranges. */
export function joinElements(
  set: Pick<SetShape, 'key' | 'interval'>,
  raw: readonly RawElement[],
): readonly CountedElement[] {
  const forms = set.key.map(formOfKey)
  const [form] = forms
  if (form === undefined) return []
  if (forms.length > 1) return raw.map((one) => counted(concatenatedKey(set, forms, one), one))
  if (!set.interval) {
    return raw.map((one) => {
      const value = readValue(one.key, form, 0)
      return counted([{ first: value, last: value }], one)
    })
  }
  return joinIntervals(form, raw)
}

function joinIntervals(form: ValueForm, raw: readonly RawElement[]): readonly CountedElement[] {
  // An end with the key of a start belongs to the range before it.
  const ordered = raw.toSorted(
    (a, b) => Buffer.compare(a.key, b.key) || Number(b.isEnd) - Number(a.isEnd),
  )
  const joined: CountedElement[] = []
  let open: RawElement | undefined
  const close = (last: Value): void => {
    if (open === undefined) return
    joined.push(counted([{ first: readValue(open.key, form, 0), last }], open))
    open = undefined
  }
  for (const one of ordered) {
    const at = readValue(one.key, form, 0)
    close(neighbour(at, -1))
    if (!one.isEnd) open = one
  }
  close(highestValue(form))
  return joined
}

function concatenatedKey(
  set: Pick<SetShape, 'interval'>,
  forms: readonly ValueForm[],
  { key, keyEnd }: RawElement,
): readonly ValueRange[] {
  let at = 0
  return forms.map((form) => {
    const order = set.interval ? 'network' : form.order
    const first = readValue(key, form, at, order)
    const last = keyEnd === undefined ? first : readValue(keyEnd, form, at, order)
    at += (form.length + 3) & ~3
    return { first, last }
  })
}

function counted(key: readonly ValueRange[], raw: RawElement): CountedElement {
  const { value, comment, counter } = raw
  const element = {
    key,
    ...(value !== undefined && { value }),
    ...(comment !== undefined && { comment }),
  }
  return { element, counter }
}

/** A text of user data. */
export function noteText(notes: Uint8Array | undefined, type: number): string | undefined {
  let at = 0
  while (notes !== undefined && at + 2 <= notes.length) {
    const length = notes[at + 1] ?? 0
    if (notes[at] === type) return textOf(notes.subarray(at + 2, at + 2 + length))
    at += 2 + length
  }
  return undefined
}
