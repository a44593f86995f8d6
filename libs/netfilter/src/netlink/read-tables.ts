import { PurlinError } from '@purlin/base'
import { OWNER_COUNTER, TABLE_NAME, type TableFamily, tableFamilies } from '../target/names.ts'
import {
  type Chain,
  elementKey,
  elementsByKey,
  type Hook,
  type NamedSet,
  objectKey,
  type Rule,
  type SetElement,
  type SetShape,
} from '../target/statement.ts'
import { generation } from './commit.ts'
import {
  chainAttribute,
  elementListAttribute,
  expressionAttribute,
  family,
  hookAttribute,
  hookNames,
  LIST_ITEM,
  objectAttribute,
  ruleAttribute,
  ruleUserData,
  setAttribute,
  setFlag,
  subsystem,
  tableAttribute,
  tablesType,
} from './constants.ts'
import { readRule } from './decode-rule.ts'
import {
  type CountedElement,
  joinElements,
  noteText,
  type RawElement,
  readCounter,
  readRawElement,
  readSetShape,
} from './decode-set.ts'
import type { Exchange } from './exchange.ts'
import { Attributes, type Message } from './reader.ts'
import type { CallOptions, Counter, ReadCounters, ReadTable } from './socket.ts'

/** How often reading begins anew because somebody committed meanwhile. */
const READ_TRIES = 10
const POLICY_ACCEPT = 1

interface ReadTables {
  readonly generation: number
  readonly tables: ReadonlyMap<TableFamily, ReadTable>
}

/** Our tables of one generation. Errors: PUR_NFT_UNREADABLE, PUR_DEADLINE_PASSED, PUR_CANCELLED. */
export async function readTables(
  exchange: Exchange,
  tables: readonly TableFamily[] = tableFamilies,
  options?: CallOptions,
): Promise<ReadTables> {
  for (let tries = 0; tries < READ_TRIES; tries++) {
    const before = await generation(exchange, options)
    const found = new Map<TableFamily, ReadTable>()
    for (const table of tables) {
      const read = await readTable(exchange, table, options)
      if (read !== undefined) found.set(table, read)
    }
    if ((await generation(exchange, options)) === before) {
      return { generation: before, tables: found }
    }
  }
  throw new PurlinError('PUR_NFT_UNREADABLE', {
    message: `tables ${tables.join(', ')}: somebody changed the kernel's rules under each of ${READ_TRIES} readings`,
  })
}

async function readTable(
  exchange: Exchange,
  table: TableFamily,
  options: CallOptions | undefined,
): Promise<ReadTable | undefined> {
  const reader = new TableReader(exchange, table, options)
  return (await reader.exists()) ? reader.read() : undefined
}

/** The elements of one set. Errors: PUR_NFT_UNREADABLE. */
export async function readElements(
  exchange: Exchange,
  set: SetShape,
  options?: CallOptions,
): Promise<readonly SetElement[]> {
  const raw = await new TableReader(exchange, set.table, options).elements(set.name)
  return joinElements(set, raw).map(({ element }) => element)
}

/** What rules and elements have counted. Errors: PUR_NFT_UNREADABLE. */
export async function readCounters(
  exchange: Exchange,
  table: TableFamily,
  options?: CallOptions,
): Promise<ReadCounters> {
  const reader = new TableReader(exchange, table, options)
  const rules = new Map<string, { id: string; counter?: Counter }[]>()
  for (const { attributes } of await reader.dump('getRule')) {
    const name = attributes.text(ruleAttribute.chain) ?? ''
    const notes = attributes.bytes(ruleAttribute.userData)
    const counter = ruleCounter(attributes)
    const entry = {
      id: noteText(notes, ruleUserData.comment) ?? '',
      ...(counter !== undefined && { counter }),
    }
    const key = objectKey({ table, name })
    const known = rules.get(key)
    if (known === undefined) rules.set(key, [entry])
    else known.push(entry)
  }
  const elements = new Map<string, ReadonlyMap<string, Counter>>()
  const shapes = (await reader.dump('getSet'))
    .map(({ attributes }) => readSetShape(table, attributes))
    .filter((shape) => shape?.counter === true)
  const raw = await reader.elementsOf(shapes.map((shape) => shape?.name ?? ''))
  for (const [index, shape] of shapes.entries()) {
    if (shape === undefined) continue
    const counted = joinElements(shape, raw[index] ?? [])
    elements.set(objectKey(shape), countersByKey(counted))
  }
  return { rules, elements }
}

function countersByKey(counted: readonly CountedElement[]): ReadonlyMap<string, Counter> {
  return new Map(
    counted.flatMap(({ element, counter }): [string, Counter][] =>
      counter === undefined ? [] : [[elementKey(element), counter]],
    ),
  )
}

function ruleCounter(rule: Attributes): Counter | undefined {
  let found: Counter | undefined
  rule.nested(ruleAttribute.expressions)?.each((type, bytes) => {
    if (type !== LIST_ITEM || found !== undefined) return
    const item = new Attributes(bytes)
    if (item.text(expressionAttribute.name) !== 'counter') return
    found = readCounter(item.nested(expressionAttribute.content))
  })
  return found
}

/** Reads one table in parts. */
class TableReader {
  readonly #exchange: Exchange
  readonly #table: TableFamily
  readonly #options: CallOptions | undefined

  constructor(exchange: Exchange, table: TableFamily, options: CallOptions | undefined) {
    this.#exchange = exchange
    this.#table = table
    this.#options = options
  }

  async exists(): Promise<boolean> {
    const found = await this.#exchange.dump(
      `table ${this.#table} ${TABLE_NAME}`,
      typeOf('getTable'),
      family[this.#table],
      () => undefined,
      this.#options,
    )
    return found.some(({ attributes }) => attributes.text(tableAttribute.name) === TABLE_NAME)
  }

  async read(): Promise<ReadTable> {
    const foreign: string[] = []
    const anonymous = new Map<string, readonly RawElement[]>()
    const sets = new Map<string, NamedSet>()
    const found = await this.dump('getSet')
    const names = found.map(nameOfSet)
    const elements = await this.elementsOf(names)
    for (const [index, { attributes }] of found.entries()) {
      const name = names[index] ?? ''
      const raw = elements[index] ?? []
      if (((attributes.u32(setAttribute.flags) ?? 0) & setFlag.anonymous) !== 0) {
        anonymous.set(name, raw)
        continue
      }
      const shape = readSetShape(this.#table, attributes)
      if (shape === undefined) {
        foreign.push(`set ${this.#table}/${name}`)
        continue
      }
      const joined = joinElements(shape, raw).map(({ element }) => element)
      sets.set(objectKey(shape), { ...shape, elements: elementsByKey(joined) })
    }
    const objects = await this.dump('getObject')
    const counters = objects.map(({ attributes }) => attributes.text(objectAttribute.name) ?? '')
    foreign.push(
      ...counters.filter((name) => name !== OWNER_COUNTER).map((name) => `object ${name}`),
    )
    const { rules, handles } = await this.#rules(anonymous, foreign)
    const chains = await this.#chains(rules, foreign)
    return {
      table: this.#table,
      owned: counters.includes(OWNER_COUNTER),
      chains,
      sets,
      handles,
      foreign,
    }
  }

  async elements(name: string): Promise<readonly RawElement[]> {
    const [elements] = await this.elementsOf([name])
    return elements ?? []
  }

  /** The elements of several sets. */
  async elementsOf(names: readonly string[]): Promise<readonly (readonly RawElement[])[]> {
    const answers = await this.#exchange.dumps(
      `sets of table ${this.#table} ${TABLE_NAME}`,
      typeOf('getElement'),
      family[this.#table],
      names.map((name) => (writer) => {
        writer.text(elementListAttribute.table, TABLE_NAME)
        writer.text(elementListAttribute.set, name)
      }),
      this.#options,
    )
    return answers.map((messages) =>
      messages.flatMap(({ attributes }) =>
        attributes.list(elementListAttribute.elements, LIST_ITEM).map(readRawElement),
      ),
    )
  }

  /** All objects of one sort in the table. */
  async dump(type: 'getChain' | 'getRule' | 'getSet' | 'getObject'): Promise<readonly Message[]> {
    const messages = await this.#exchange.dump(
      `table ${this.#table} ${TABLE_NAME}`,
      typeOf(type),
      family[this.#table],
      (writer) => writer.text(1, TABLE_NAME),
      this.#options,
    )
    // Not every kernel heeds the table's name in every dump.
    return messages.filter(({ attributes }) => attributes.text(1) === TABLE_NAME)
  }

  async #rules(
    anonymous: ReadonlyMap<string, readonly RawElement[]>,
    foreign: string[],
  ): Promise<{
    rules: ReadonlyMap<string, Rule[]>
    handles: ReadonlyMap<string, readonly bigint[]>
  }> {
    const rules = new Map<string, Rule[]>()
    const handles = new Map<string, bigint[]>()
    for (const { attributes } of await this.dump('getRule')) {
      const key = `${this.#table}/${attributes.text(ruleAttribute.chain) ?? ''}`
      const handle = attributes.u64(ruleAttribute.handle) ?? 0n
      const rule = readRule(attributes, anonymous)
      listOf(handles, key).push(handle)
      if (rule === undefined) {
        foreign.push(`rule ${key} ${handle}: ${expressionNames(attributes).join(' ')}`)
      } else listOf(rules, key).push(rule)
    }
    return { rules, handles }
  }

  async #chains(
    rules: ReadonlyMap<string, readonly Rule[]>,
    foreign: string[],
  ): Promise<ReadonlyMap<string, Chain>> {
    const chains = new Map<string, Chain>()
    for (const { attributes } of await this.dump('getChain')) {
      const name = attributes.text(chainAttribute.name) ?? ''
      const key = objectKey({ table: this.#table, name })
      const place = attributes.nested(chainAttribute.hook)
      const hook = place && readHook(place)
      const isKnown =
        place === undefined ||
        (hook !== undefined &&
          attributes.text(chainAttribute.type) === 'filter' &&
          attributes.u32(chainAttribute.policy) === POLICY_ACCEPT)
      if (!isKnown) foreign.push(`chain ${key}`)
      chains.set(key, {
        table: this.#table,
        name,
        ...(hook !== undefined && { hook }),
        rules: rules.get(key) ?? [],
      })
    }
    return chains
  }
}

function nameOfSet({ attributes }: Message): string {
  return attributes.text(setAttribute.name) ?? ''
}

function readHook(place: Attributes): Hook | undefined {
  const hook = hookNames[place.u32(hookAttribute.number) ?? -1]
  const priority = (place.u32(hookAttribute.priority) ?? 0) | 0
  const devices = place.has(hookAttribute.device) || place.has(hookAttribute.devices)
  return hook === undefined || devices ? undefined : { hook, priority }
}

function expressionNames(rule: Attributes): readonly string[] {
  return rule
    .list(ruleAttribute.expressions, LIST_ITEM)
    .map((item) => item.text(expressionAttribute.name) ?? '?')
}

function typeOf(type: keyof typeof tablesType): number {
  return (subsystem.tables << 8) | tablesType[type]
}

function listOf<Item>(map: Map<string, Item[]>, key: string): Item[] {
  const known = map.get(key)
  if (known !== undefined) return known
  const created: Item[] = []
  map.set(key, created)
  return created
}
