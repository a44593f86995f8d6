import type { TableFamily } from '../target/names.ts'
import { TABLE_NAME } from '../target/names.ts'
import type { Chain, Rule, SetElement, SetShape } from '../target/statement.ts'
import { neededSets } from './anonymous-sets.ts'
import type { Change } from './change.ts'
import {
  BATCH_GENERATION,
  batchType,
  chainAttribute,
  elementListAttribute,
  family,
  hookAttribute,
  hookNames,
  messageFlag,
  OBJECT_COUNTER,
  objectAttribute,
  ruleAttribute,
  setAttribute,
  subsystem,
  tableAttribute,
  tablesType,
} from './constants.ts'
import { writeRule } from './encode-rule.ts'
import { ElementWriter, writeAnonymousSet, writeSet } from './encode-set.ts'
import { MessageWriter } from './writer.ts'

/** A transaction as bytes, and which change each message belongs to. */
export interface Batch {
  readonly bytes: Uint8Array
  readonly firstSequence: number
  readonly lastSequence: number
  /** Index of the change by the message's distance from the first; undefined for the messages
   *  that begin and end the batch. */
  readonly changeOf: readonly (number | undefined)[]
}

/** An attribute holds 65,535 bytes; elements go into as many messages as that takes. */
const ELEMENTS_BYTES_MAX = 60_000
const POLICY_ACCEPT = 1

/** Changes that are nothing but a name: the message's type, and the attribute that names. */
const namedMessages = {
  'flush-chain': [tablesType.deleteRule, ruleAttribute.chain],
  'delete-chain': [tablesType.deleteChain, chainAttribute.name],
  'flush-set': [tablesType.deleteElement, elementListAttribute.set],
  'delete-set': [tablesType.deleteSet, setAttribute.name],
} as const

/** Encodes a transaction. `onto`: the generation it is meant for. Pure. */
export function encodeBatch(
  changes: readonly Change[],
  firstSequence: number,
  onto?: number,
): Batch {
  const encoder = new BatchEncoder(firstSequence)
  encoder.begin(onto)
  changes.forEach((change, index) => {
    encoder.add(change, index)
  })
  return encoder.finish()
}

class BatchEncoder {
  readonly #writer = new MessageWriter()
  readonly #firstSequence: number
  readonly #changeOf: (number | undefined)[] = []
  #last = 0
  #setId = 0
  #index: number | undefined

  constructor(firstSequence: number) {
    this.#firstSequence = firstSequence
  }

  begin(onto: number | undefined): void {
    const start = this.#batchMessage(batchType.begin)
    if (onto !== undefined) this.#writer.u32(BATCH_GENERATION, onto)
    this.#writer.end(start)
  }

  finish(): Batch {
    // The last message of the content asks for an answer, so that success is heard of too.
    if (this.#last > 0) this.#writer.addFlags(this.#last, messageFlag.ack)
    this.#index = undefined
    this.#writer.end(this.#batchMessage(batchType.end))
    return {
      bytes: this.#writer.bytes(),
      firstSequence: this.#firstSequence,
      lastSequence: (this.#firstSequence + this.#changeOf.length - 1) >>> 0,
      changeOf: this.#changeOf,
    }
  }

  add(change: Change, index: number): void {
    this.#index = index
    switch (change.change) {
      case 'add-table':
        this.#table(tablesType.newTable, change.table, messageFlag.create)
        return
      case 'delete-table':
        this.#table(tablesType.deleteTable, change.table, 0)
        return
      case 'add-counter':
        this.#counter(change.table, change.name)
        return
      case 'add-chain':
        this.#chain(change.chain)
        return
      case 'flush-chain':
      case 'delete-chain':
      case 'flush-set':
      case 'delete-set': {
        const [type, attribute] = namedMessages[change.change]
        this.#named(type, attribute, change.table, change.name)
        return
      }
      case 'add-rule':
        this.#rule(change.table, change.chain, change.rule)
        return
      case 'add-set':
        this.#set(change.set)
        return
      case 'add-elements':
        this.#elements(tablesType.newElement, messageFlag.create, change.set, change.elements)
        return
      case 'delete-elements':
        this.#elements(tablesType.deleteElement, 0, change.set, change.elements)
    }
  }

  #table(type: number, table: TableFamily, flags: number): void {
    const start = this.#message(type, flags, table)
    this.#writer.text(tableAttribute.name, TABLE_NAME)
    if (type === tablesType.newTable) this.#writer.u32(tableAttribute.flags, 0)
    this.#writer.end(start)
  }

  #counter(table: TableFamily, name: string): void {
    const start = this.#message(tablesType.newObject, messageFlag.create, table)
    this.#writer.text(objectAttribute.table, TABLE_NAME)
    this.#writer.text(objectAttribute.name, name)
    this.#writer.u32(objectAttribute.type, OBJECT_COUNTER)
    const content = this.#writer.nest(objectAttribute.data)
    this.#writer.endNest(content)
    this.#writer.end(start)
  }

  #chain({ table, name, hook }: Omit<Chain, 'rules'>): void {
    const start = this.#message(tablesType.newChain, messageFlag.create, table)
    this.#writer.text(chainAttribute.table, TABLE_NAME)
    this.#writer.text(chainAttribute.name, name)
    if (hook !== undefined) {
      this.#writer.text(chainAttribute.type, 'filter')
      const place = this.#writer.nest(chainAttribute.hook)
      this.#writer.u32(hookAttribute.number, hookNames.indexOf(hook.hook))
      this.#writer.u32(hookAttribute.priority, hook.priority >>> 0)
      this.#writer.endNest(place)
      this.#writer.u32(chainAttribute.policy, POLICY_ACCEPT)
    }
    this.#writer.end(start)
  }

  #rule(table: TableFamily, chain: string, rule: Rule): void {
    const firstId = this.#setId + 1
    for (const { set, writeElements } of neededSets(rule, firstId)) {
      this.#setId = set.id
      const start = this.#message(tablesType.newSet, messageFlag.create, table)
      this.#writer.text(setAttribute.table, TABLE_NAME)
      writeAnonymousSet(this.#writer, set)
      this.#writer.end(start)
      const list = this.#message(tablesType.newElement, messageFlag.create, table)
      this.#writer.text(elementListAttribute.table, TABLE_NAME)
      this.#writer.text(elementListAttribute.set, set.verdicts ? '__map%d' : '__set%d')
      this.#writer.u32(elementListAttribute.setId, set.id)
      const elements = this.#writer.nest(elementListAttribute.elements)
      writeElements(this.#writer)
      this.#writer.endNest(elements)
      this.#writer.end(list)
    }
    const flags = messageFlag.create | messageFlag.append
    const start = this.#message(tablesType.newRule, flags, table)
    this.#writer.text(ruleAttribute.table, TABLE_NAME)
    this.#writer.text(ruleAttribute.chain, chain)
    writeRule(this.#writer, rule, firstId)
    this.#writer.end(start)
  }

  #set(set: SetShape): void {
    const start = this.#message(tablesType.newSet, messageFlag.create, set.table)
    this.#writer.text(setAttribute.table, TABLE_NAME)
    writeSet(this.#writer, set, ++this.#setId)
    this.#writer.end(start)
  }

  #elements(type: number, flags: number, set: SetShape, elements: readonly SetElement[]): void {
    const writer = new ElementWriter(this.#writer, set)
    let at = 0
    while (at < elements.length) {
      const start = this.#message(type, flags, set.table)
      this.#writer.text(elementListAttribute.table, TABLE_NAME)
      this.#writer.text(elementListAttribute.set, set.name)
      const list = this.#writer.nest(elementListAttribute.elements)
      while (at < elements.length && this.#writer.length - list < ELEMENTS_BYTES_MAX) {
        const element = elements[at++]
        if (element === undefined) continue
        writer.write(type === tablesType.deleteElement ? { key: element.key } : element)
      }
      this.#writer.endNest(list)
      this.#writer.end(start)
    }
  }

  #named(type: number, attribute: number, table: TableFamily, name: string): void {
    const start = this.#message(type, 0, table)
    this.#writer.text(1, TABLE_NAME)
    this.#writer.text(attribute, name)
    this.#writer.end(start)
  }

  #message(type: number, flags: number, table: TableFamily): number {
    this.#last = this.#writer.begin(
      (subsystem.tables << 8) | type,
      messageFlag.request | flags,
      this.#sequence(),
      family[table],
    )
    return this.#last
  }

  #batchMessage(type: number): number {
    const unspecified = family.unspecified
    return this.#writer.begin(
      type,
      messageFlag.request,
      this.#sequence(),
      unspecified,
      subsystem.tables,
    )
  }

  #sequence(): number {
    this.#changeOf.push(this.#index)
    return (this.#firstSequence + this.#changeOf.length - 1) >>> 0
  }
}
