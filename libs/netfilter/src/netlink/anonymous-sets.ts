import type { Field, MatchStatement, Rule, SetElement, ValueRange } from '../target/statement.ts'
import { bytesOf, formOf, isHighest, neighbour } from '../target/values.ts'
import { LIST_ITEM, setFlag } from './constants.ts'
import { type AnonymousSet, writeIntervalEnd, writeVerdict } from './encode-set.ts'
import { writeBytes } from './expressions.ts'
import type { MessageWriter } from './writer.ts'

/** An anonymous set that a rule needs, to be made before it. */
export interface NeededSet {
  readonly set: AnonymousSet
  /** Writes the items of its list of elements. */
  readonly writeElements: (writer: MessageWriter) => void
}

/** The anonymous sets of a rule in the order of its statements; ids count from `firstId`. */
export function neededSets(rule: Rule, firstId: number): readonly NeededSet[] {
  const sets: NeededSet[] = []
  for (const statement of rule.statements) {
    const id = firstId + sets.length
    if (statement.kind === 'match' && statement.values.length > 1) {
      sets.push(valueSet(statement, id))
    }
    if (statement.kind === 'verdict-map' && typeof statement.map !== 'string') {
      sets.push(verdictSet(statement.fields, statement.map, id))
    }
  }
  return sets
}

function valueSet({ field, values }: MatchStatement, id: number): NeededSet {
  const form = formOf(field)
  const interval = values.some(({ first, last }) => first !== last)
  const leading = interval && values[0] !== undefined && !isZero(values[0])
  const size = interval
    ? values.reduce((sum, { last }) => sum + (isHighest(last, form) ? 1 : 2), leading ? 1 : 0)
    : values.length
  return {
    set: {
      id,
      flags: interval ? setFlag.interval : 0,
      keyDataType: form.dataType,
      keyLength: form.length,
      networkOrder: form.order === 'network',
      verdicts: false,
      size,
      ...(field === 'icmpv6 target' && { rawBits: TARGET_BITS }),
    },
    writeElements: (writer) => {
      if (leading) writeIntervalEnd(writer, new Uint8Array(form.length))
      for (const { first, last } of values) {
        const isOpen = interval && isHighest(last, form)
        const item = writer.nest(LIST_ITEM)
        writeBytes(writer, 1, bytesOf(first, form))
        if (isOpen) writer.raw(6, OPEN_NOTE)
        writer.endNest(item)
        if (interval && !isOpen) writeIntervalEnd(writer, bytesOf(neighbour(last, 1), form))
      }
    },
  }
}

/** `@th,64,128`. */
const TARGET_BITS = { offset: 64, length: 128 }
const OPEN_NOTE = Uint8Array.from([1, 4, 1, 0, 0, 0])

function isZero({ first }: ValueRange): boolean {
  return Number(first) === 0
}

function verdictSet(
  fields: readonly Field[],
  elements: readonly SetElement[],
  id: number,
): NeededSet {
  const [field] = fields
  const form = formOf(field ?? 'meta mark')
  return {
    set: {
      id,
      flags: setFlag.map,
      keyDataType: form.dataType,
      keyLength: form.length,
      networkOrder: form.order === 'network',
      verdicts: true,
      size: elements.length,
    },
    writeElements: (writer) => {
      for (const { key, value } of elements) {
        const item = writer.nest(LIST_ITEM)
        writeBytes(writer, 1, bytesOf(key[0]?.first ?? 0, form))
        if (typeof value === 'object') writeVerdict(writer, 2, value)
        writer.endNest(item)
      }
    },
  }
}
