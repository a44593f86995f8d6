import type { ValueForm } from '../target/values.ts'
import { bytesOf } from '../target/values.ts'
import { comparison, dataAttribute, expressionAttribute, LIST_ITEM } from './constants.ts'
import type { Load } from './fields.ts'
import type { MessageWriter } from './writer.ts'

/** Registers of four bytes, the first of which is also the first of sixteen bytes; 0 holds the
 *  verdict. */
export const VERDICT_REGISTER = 0
export const FIRST_REGISTER = 8

export function writeLoad(
  writer: MessageWriter,
  load: Load,
  length: number,
  register: number,
): void {
  expression(writer, load.from, () => {
    writer.u32(1, register)
    writer.u32(2, load.from === 'payload' ? load.base : load.key)
    if (load.from !== 'payload') return
    writer.u32(3, load.offset)
    writer.u32(4, length)
  })
}

export function writeMask(writer: MessageWriter, mask: Uint8Array): void {
  expression(writer, 'bitwise', () => {
    writer.u32(1, FIRST_REGISTER)
    writer.u32(2, FIRST_REGISTER)
    writer.u32(3, mask.length)
    writeBytes(writer, 4, mask)
    writeBytes(writer, 5, new Uint8Array(mask.length))
  })
}

export function writeComparison(
  writer: MessageWriter,
  operator: keyof typeof comparison,
  bytes: Uint8Array,
): void {
  expression(writer, 'cmp', () => {
    writer.u32(1, FIRST_REGISTER)
    writer.u32(2, comparison[operator])
    writeBytes(writer, 3, bytes)
  })
}

interface LookupPlace {
  readonly name: string
  readonly id?: number
  readonly inverted?: boolean
  readonly into?: number
}

export function writeLookup(
  writer: MessageWriter,
  { name, id, inverted, into }: LookupPlace,
): void {
  expression(writer, 'lookup', () => {
    writer.text(1, name)
    writer.u32(2, FIRST_REGISTER)
    if (into !== undefined) writer.u32(3, into)
    if (id !== undefined) writer.u32(4, id)
    if (inverted === true) writer.u32(5, 1)
  })
}

export function writeImmediate(writer: MessageWriter, value: number, form: ValueForm): void {
  expression(writer, 'immediate', () => {
    writer.u32(1, FIRST_REGISTER)
    writeBytes(writer, 2, bytesOf(value, form))
  })
}

export function writeBytes(writer: MessageWriter, attribute: number, bytes: Uint8Array): void {
  const nest = writer.nest(attribute)
  writer.raw(dataAttribute.value, bytes)
  writer.endNest(nest)
}

export function expression(writer: MessageWriter, name: string, content: () => void): void {
  const item = writer.nest(LIST_ITEM)
  writer.text(expressionAttribute.name, name)
  const nest = writer.nest(expressionAttribute.content)
  content()
  writer.endNest(nest)
  writer.endNest(item)
}
