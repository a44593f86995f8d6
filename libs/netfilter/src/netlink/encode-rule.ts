import type {
  Field,
  LookupKey,
  MatchStatement,
  Rule,
  Statement,
  Value,
  Verdict,
} from '../target/statement.ts'
import { bytesOf, formOf, prefixLength, type ValueForm } from '../target/values.ts'
import { ruleAttribute, ruleUserData } from './constants.ts'
import { writeVerdict } from './encode-set.ts'
import {
  expression,
  FIRST_REGISTER,
  VERDICT_REGISTER,
  writeBytes,
  writeComparison,
  writeImmediate,
  writeLoad,
  writeLookup,
  writeMask,
} from './expressions.ts'
import { ctKey, loadOf, metaKey } from './fields.ts'
import { adjacentMatches } from './matches.ts'
import type { MessageWriter } from './writer.ts'

/** The attributes of `newRule` behind the names of table and chain. */
export function writeRule(writer: MessageWriter, rule: Rule, firstId: number): void {
  const expressions = writer.nest(ruleAttribute.expressions)
  let id = firstId
  const { statements } = rule
  for (let at = 0; at < statements.length; at++) {
    const statement = statements[at]
    if (statement === undefined) continue
    const merged = adjacentMatches(statements, at)
    if (merged.length > 1) {
      writeMerged(writer, merged)
      at += merged.length - 1
    } else if (writeStatement(writer, statement, id)) {
      id++
    }
  }
  writer.endNest(expressions)
  writer.note(ruleAttribute.userData, ruleUserData.comment, rule.id)
}

/** Gives whether the statement uses up the id of an anonymous set. */
function writeStatement(writer: MessageWriter, statement: Statement, id: number): boolean {
  switch (statement.kind) {
    case 'match':
      return writeMatch(writer, statement, id)
    case 'lookup':
      writeKeyLoads(writer, statement)
      writeLookup(writer, { name: statement.set, inverted: statement.operator === '!=' })
      return false
    case 'verdict-map': {
      const { map } = statement
      writeKeyLoads(writer, statement)
      const place = typeof map === 'string' ? { name: map } : { name: '__map%d', id }
      writeLookup(writer, { ...place, into: VERDICT_REGISTER })
      return typeof map !== 'string'
    }
    case 'set-mark':
      if (typeof statement.to === 'number')
        writeImmediate(writer, statement.to, formOf('meta mark'))
      else {
        writeKeyLoads(writer, statement.to)
        writeLookup(writer, { name: statement.to.map, into: FIRST_REGISTER })
      }
      storeMark(writer)
      return false
    case 'set-zone':
      writeImmediate(writer, statement.zone, ZONE_FORM)
      expression(writer, 'ct', () => {
        writer.u32(2, ctKey.zone)
        writer.u32(4, FIRST_REGISTER)
      })
      return false
    case 'keep-mark':
      writeLoad(writer, loadOf('meta mark'), 4, FIRST_REGISTER)
      expression(writer, 'ct', () => {
        writer.u32(2, ctKey.mark)
        writer.u32(4, FIRST_REGISTER)
      })
      return false
    case 'restore-mark':
      expression(writer, 'ct', () => {
        writer.u32(1, FIRST_REGISTER)
        writer.u32(2, ctKey.mark)
      })
      storeMark(writer)
      return false
    case 'counter':
      expression(writer, 'counter', () => undefined)
      return false
    case 'limit':
      expression(writer, 'limit', () => {
        writer.u64(1, BigInt(statement.packetsPerSecond))
        writer.u64(2, 1n)
        writer.u32(3, statement.burstPackets)
        writer.u32(4, 0)
        writer.u32(5, 0)
      })
      return false
    case 'log':
      expression(writer, 'log', () => {
        writer.u16(1, statement.group)
        writer.text(2, statement.prefix)
      })
      return false
    case 'verdict':
      writeVerdictStatement(writer, statement.to)
      return false
  }
}

function storeMark(writer: MessageWriter): void {
  expression(writer, 'meta', () => {
    writer.u32(2, metaKey.mark)
    writer.u32(3, FIRST_REGISTER)
  })
}

const ZONE_FORM: ValueForm = { kind: 'number', length: 2, order: 'host', dataType: 0 }

function writeVerdictStatement(writer: MessageWriter, verdict: Verdict): void {
  expression(writer, 'immediate', () => {
    writer.u32(1, VERDICT_REGISTER)
    writeVerdict(writer, 2, verdict)
  })
}

function writeMatch(writer: MessageWriter, statement: MatchStatement, id: number): boolean {
  const { field, mask, operator, values } = statement
  const form = formOf(field)
  const load = loadOf(field)
  const [only] = values
  if (values.length > 1) {
    writeLoad(writer, load, form.length, FIRST_REGISTER)
    if (mask !== undefined) writeMask(writer, bytesOf(mask, form))
    writeLookup(writer, { name: '__set%d', id, inverted: operator === '!=' })
    return true
  }
  if (only === undefined) return false
  const prefix = mask === undefined ? prefixLength(only, form) : undefined
  const length = prefix !== undefined && prefix % 8 === 0 ? prefix / 8 : form.length
  writeLoad(writer, load, length, FIRST_REGISTER)
  if (mask !== undefined) writeMask(writer, bytesOf(mask, form))
  if (only.first === only.last || prefix !== undefined) {
    if (prefix !== undefined && prefix % 8 !== 0) writeMask(writer, prefixMask(prefix, form))
    const bytes = bytesOf(only.first, form).subarray(0, length)
    writeComparison(writer, operator === '==' ? 'equal' : 'notEqual', comparable(only.first, bytes))
  } else if (operator === '==') {
    writeComparison(writer, 'greaterOrEqual', bytesOf(only.first, form))
    writeComparison(writer, 'lessOrEqual', bytesOf(only.last, form))
  } else {
    expression(writer, 'range', () => {
      writer.u32(1, FIRST_REGISTER)
      writer.u32(2, 1)
      writeBytes(writer, 3, bytesOf(only.first, form))
      writeBytes(writer, 4, bytesOf(only.last, form))
    })
  }
  return false
}

/** Only the bytes before a name's star are compared. */
function comparable(value: Value, bytes: Uint8Array): Uint8Array {
  if (typeof value !== 'string' || !value.endsWith('*')) return bytes
  return bytes.subarray(0, Buffer.byteLength(value) - 1)
}

/** Fields that lie side by side are read and compared at once. */
function writeMerged(writer: MessageWriter, matches: readonly MatchStatement[]): void {
  const parts = matches.map(({ field, values }) => bytesOf(values[0]?.first ?? 0, formOf(field)))
  const bytes = Buffer.concat(parts)
  const [first] = matches
  if (first === undefined) return
  writeLoad(writer, loadOf(first.field), bytes.length, FIRST_REGISTER)
  writeComparison(writer, 'equal', bytes)
}

function prefixMask(prefix: number, { length }: ValueForm): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => {
    const bits = Math.max(0, Math.min(8, prefix - index * 8))
    return (0xff << (8 - bits)) & 0xff
  })
}

function writeKeyLoads(writer: MessageWriter, key: LookupKey): void {
  let register = FIRST_REGISTER
  for (const field of key.fields) {
    const form = formOf(field)
    writeLoad(writer, loadOf(field), form.length, register)
    if (key.networkOrder === true && isTurned(field)) writeTurn(writer, register, form.length)
    register += (form.length + 3) >> 2
  }
}

/** Fields that nft brings into network order in a concatenation with ranges. */
function isTurned(field: Field): boolean {
  return field === 'meta mark' || field === 'meta l4proto' || field === 'meta nfproto'
}

function writeTurn(writer: MessageWriter, register: number, length: number): void {
  expression(writer, 'byteorder', () => {
    writer.u32(1, register)
    writer.u32(2, register)
    writer.u32(3, 1)
    writer.u32(4, length)
    writer.u32(5, length % 2 === 0 ? length : 2)
  })
}
