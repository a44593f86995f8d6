import {
  isConcatenatedInterval,
  type SetElement,
  type SetShape,
  type Verdict,
} from '../target/statement.ts'
import {
  bytesOf,
  formOfKey,
  isHighest,
  neighbour,
  type ValueForm,
  writeValue,
} from '../target/values.ts'
import {
  DATA_TYPE_VERDICT,
  dataAttribute,
  ELEMENT_INTERVAL_END,
  ELEMENT_OPEN_INTERVAL,
  elementAttribute,
  elementUserData,
  expressionAttribute,
  LIST_ITEM,
  rawPayload,
  setAttribute,
  setDescription,
  setFlag,
  setUserData,
  typeOfNote,
  verdictAttribute,
  verdictCode,
} from './constants.ts'
import type { MessageWriter } from './writer.ts'

const MARK_FORM = formOfKey('mark')
const VERDICT_LENGTH = 16
const HOST_ORDER = 1
const NETWORK_ORDER = 2
/** A concatenation's data type has six bits for each part. */
const PART_BITS = 6

/** What an anonymous set has beside the shape of any. */
export interface AnonymousSet {
  readonly id: number
  readonly flags: number
  readonly keyDataType: number
  readonly keyLength: number
  readonly networkOrder: boolean
  readonly verdicts: boolean
  readonly size: number
  /** The elements are bytes of the transport header that nft has no name for. */
  readonly rawBits?: { readonly offset: number; readonly length: number }
}

/** The attributes of `newSet` behind the table's name. */
export function writeSet(writer: MessageWriter, set: SetShape, id: number): void {
  const concatenated = set.key.length > 1
  const forms = set.key.map(formOfKey)
  const keyType = forms.reduce((all, form) => (all << PART_BITS) | form.dataType, 0)
  const keyLength = concatenated
    ? forms.reduce((sum, form) => sum + padded(form.length), 0)
    : (forms[0]?.length ?? 0)
  const isRange = isConcatenatedInterval(set)
  const flags =
    (set.interval ? setFlag.interval : 0) |
    (set.value === undefined ? 0 : setFlag.map) |
    (isRange ? setFlag.concatenation : 0)
  writer.text(setAttribute.name, set.name)
  writer.u32(setAttribute.flags, flags)
  writer.u32(setAttribute.keyType, keyType)
  writer.u32(setAttribute.keyLength, keyLength)
  if (set.value === 'verdict') writeVerdictType(writer)
  if (set.value === 'mark') {
    writer.u32(setAttribute.dataType, MARK_FORM.dataType)
    writer.u32(setAttribute.dataLength, MARK_FORM.length)
  }
  writer.u32(setAttribute.id, id)
  if (isRange) {
    const description = writer.nest(setAttribute.description)
    const fields = writer.nest(setDescription.concatenation)
    for (const form of forms) {
      const item = writer.nest(LIST_ITEM)
      writer.u32(setDescription.fieldLength, form.length)
      writer.endNest(item)
    }
    writer.endNest(fields)
    writer.endNest(description)
  }
  const [first] = forms
  const order = first?.order === 'network' ? NETWORK_ORDER : HOST_ORDER
  writer.raw(setAttribute.userData, setNotes(set, concatenated ? 0 : order))
  if (set.counter) writeCounterExpression(writer, setAttribute.expression)
}

/** The attributes of `newSet` of an anonymous set or map of verdicts. */
export function writeAnonymousSet(writer: MessageWriter, set: AnonymousSet): void {
  writer.text(setAttribute.name, set.verdicts ? '__map%d' : '__set%d')
  writer.u32(setAttribute.flags, set.flags | setFlag.anonymous | setFlag.constant)
  writer.u32(setAttribute.keyType, set.keyDataType)
  writer.u32(setAttribute.keyLength, set.keyLength)
  if (set.verdicts) writeVerdictType(writer)
  writer.u32(setAttribute.id, set.id)
  const description = writer.nest(setAttribute.description)
  writer.u32(setDescription.size, set.size)
  writer.endNest(description)
  const order = set.networkOrder ? NETWORK_ORDER : HOST_ORDER
  const notes = noteNumber(setUserData.keyByteOrder, order)
  if (set.verdicts) {
    notes.push(...noteNumber(setUserData.dataByteOrder, 0))
    notes.push(...noteNumber(setUserData.dataInterval, 0))
  } else if ((set.flags & setFlag.interval) !== 0) {
    notes.push(...noteNumber(setUserData.mergeElements, 1))
  }
  if (set.rawBits !== undefined) notes.push(...rawNote(set.rawBits))
  writer.raw(setAttribute.userData, Uint8Array.from(notes))
}

function writeVerdictType(writer: MessageWriter): void {
  writer.u32(setAttribute.dataType, DATA_TYPE_VERDICT)
  writer.u32(setAttribute.dataLength, VERDICT_LENGTH)
}

/** What nft needs to show the set as it was written. */
function setNotes(set: SetShape, keyOrder: number): Uint8Array {
  const notes = noteNumber(setUserData.keyByteOrder, keyOrder)
  if (set.value !== undefined) {
    const dataOrder = set.value === 'mark' ? HOST_ORDER : 0
    notes.push(...noteNumber(setUserData.dataByteOrder, dataOrder))
    notes.push(...noteNumber(setUserData.dataInterval, 0))
  }
  if (set.comment !== undefined) notes.push(...noteText(setUserData.comment, set.comment))
  return Uint8Array.from(notes)
}

/** A number of user data: type, length, four bytes in the machine's order. */
export function noteNumber(type: number, value: number): number[] {
  return [type, 4, value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24]
}

/** Says that a set is of `@th,OFFSET,LENGTH`: without it nft shows its elements as decimals. */
function rawNote({ offset, length }: { offset: number; length: number }): number[] {
  const place = [
    ...noteNumber(rawPayload.description, 0),
    ...noteNumber(rawPayload.type, 0),
    ...noteNumber(rawPayload.base, rawPayload.transport),
    ...noteNumber(rawPayload.offset, offset),
    ...noteNumber(rawPayload.length, length),
  ]
  const payload = [...noteNumber(typeOfNote.expression, typeOfNote.payload)]
  payload.push(typeOfNote.content, place.length, ...place)
  return [setUserData.keyTypeOf, payload.length, ...payload]
}

/** A text of user data with its final zero; at most 254 bytes. */
export function noteText(type: number, value: string): number[] {
  const bytes = Buffer.from(`${value}\0`, 'utf8')
  return [type, bytes.length, ...bytes]
}

/** Writes the elements of one set as the kernel takes them: where a set of one part has ranges, two
 *  of them, the start and the first value behind the end. */
export class ElementWriter {
  readonly #writer: MessageWriter
  readonly #interval: boolean
  readonly #forms: readonly ValueForm[]
  /** Of a concatenation; its elements' ranges stand in network order. */
  readonly #ordered: readonly ValueForm[]
  readonly #keyLength: number

  constructor(writer: MessageWriter, { key, interval }: Pick<SetShape, 'key' | 'interval'>) {
    this.#writer = writer
    this.#interval = interval
    this.#forms = key.map(formOfKey)
    this.#ordered = this.#forms.map((form) => (interval ? { ...form, order: 'network' } : form))
    this.#keyLength = this.#forms.reduce((sum, form) => sum + padded(form.length), 0)
  }

  write(element: SetElement): void {
    const [form] = this.#forms
    if (this.#forms.length > 1 || form === undefined) this.#writeConcatenated(element)
    else this.#writeSingle(element, form)
  }

  #writeSingle(element: SetElement, form: ValueForm): void {
    const [range] = element.key
    if (range === undefined) return
    const isOpen = this.#interval && isHighest(range.last, form)
    const start = this.#writer.nest(LIST_ITEM)
    writeKey(this.#writer, elementAttribute.key, bytesOf(range.first, form))
    this.#writeRest(element, isOpen)
    this.#writer.endNest(start)
    if (!this.#interval || isOpen) return
    writeIntervalEnd(this.#writer, bytesOf(neighbour(range.last, 1), form))
  }

  #writeConcatenated(element: SetElement): void {
    const start = this.#writer.nest(LIST_ITEM)
    writeKey(this.#writer, elementAttribute.key, this.#concatenation(element, 'first'))
    if (this.#interval) {
      writeKey(this.#writer, elementAttribute.keyEnd, this.#concatenation(element, 'last'))
    }
    this.#writeRest(element, false)
    this.#writer.endNest(start)
  }

  #concatenation({ key }: SetElement, end: 'first' | 'last'): Uint8Array {
    const bytes = new Uint8Array(this.#keyLength)
    let at = 0
    for (let index = 0; index < this.#ordered.length; index++) {
      const form = this.#ordered[index]
      const range = key[index]
      if (form === undefined || range === undefined) break
      writeValue(range[end], form, bytes, at)
      at += padded(form.length)
    }
    return bytes
  }

  #writeRest({ value, comment }: SetElement, isOpen: boolean): void {
    if (typeof value === 'object') writeVerdict(this.#writer, elementAttribute.data, value)
    else if (value !== undefined) {
      writeKey(this.#writer, elementAttribute.data, bytesOf(value, MARK_FORM))
    }
    if (comment !== undefined && !isOpen) {
      this.#writer.note(elementAttribute.userData, elementUserData.comment, comment)
      return
    }
    if (!isOpen) return
    const notes = comment === undefined ? [] : noteText(elementUserData.comment, comment)
    notes.push(...noteNumber(elementUserData.flags, ELEMENT_OPEN_INTERVAL))
    this.#writer.raw(elementAttribute.userData, Uint8Array.from(notes))
  }
}

/** A bare key, with the mark of an interval's end. */
export function writeIntervalEnd(writer: MessageWriter, key: Uint8Array): void {
  const end = writer.nest(LIST_ITEM)
  writer.u32(elementAttribute.flags, ELEMENT_INTERVAL_END)
  writeKey(writer, elementAttribute.key, key)
  writer.endNest(end)
}

function writeKey(writer: MessageWriter, attribute: number, key: Uint8Array): void {
  const nest = writer.nest(attribute)
  writer.raw(dataAttribute.value, key)
  writer.endNest(nest)
}

/** A verdict as an attribute of data. */
export function writeVerdict(writer: MessageWriter, attribute: number, verdict: Verdict): void {
  const nest = writer.nest(attribute)
  const inner = writer.nest(dataAttribute.verdict)
  writer.u32(verdictAttribute.code, verdictCode[verdict.verdict])
  if ('chain' in verdict) writer.text(verdictAttribute.chain, verdict.chain)
  writer.endNest(inner)
  writer.endNest(nest)
}

/** The expression that gives each element a counter. */
function writeCounterExpression(writer: MessageWriter, attribute: number): void {
  const nest = writer.nest(attribute)
  writer.text(expressionAttribute.name, 'counter')
  const content = writer.nest(expressionAttribute.content)
  writer.endNest(content)
  writer.endNest(nest)
}

function padded(length: number): number {
  return (length + 3) & ~3
}
