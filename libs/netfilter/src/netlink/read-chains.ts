import { TABLE_NAME } from '../target/names.ts'
import { type Chain, objectKey, type Rule } from '../target/statement.ts'
import {
  elementListAttribute,
  expressionAttribute,
  family,
  LIST_ITEM,
  ruleAttribute,
  subsystem,
  tablesType,
} from './constants.ts'
import { readRule } from './decode-rule.ts'
import { type RawElement, readRawElement } from './decode-set.ts'
import type { Exchange } from './exchange.ts'
import type { Attributes, Message } from './reader.ts'
import type { CallOptions } from './socket.ts'

/** Place of the set's name among the attributes of an expression that looks up. */
const LOOKUP_SET = 1
const ANONYMOUS = '__'

/** Some chains with their rules and nothing else of their tables. Where a chain is attached is not
 *  read: it cannot change while the chain stands. Errors: PUR_NFT_UNREADABLE. */
export async function readChains(
  exchange: Exchange,
  chains: readonly Pick<Chain, 'table' | 'name' | 'hook'>[],
  options?: CallOptions,
): Promise<ReadonlyMap<string, Chain>> {
  const found = new Map<string, Chain>()
  for (const chain of chains) {
    const rules = await readRules(exchange, chain, options)
    if (rules === undefined) continue
    const { table, name, hook } = chain
    found.set(objectKey(chain), { table, name, ...(hook !== undefined && { hook }), rules })
  }
  return found
}

async function readRules(
  exchange: Exchange,
  { table, name }: Pick<Chain, 'table' | 'name'>,
  options: CallOptions | undefined,
): Promise<readonly Rule[] | undefined> {
  const messages = await exchange.dump(
    `chain ${table} ${TABLE_NAME} ${name}`,
    typeOf('getRule'),
    family[table],
    (writer) => {
      writer.text(ruleAttribute.table, TABLE_NAME)
      writer.text(ruleAttribute.chain, name)
    },
    options,
  )
  const anonymous = new Map<string, readonly RawElement[]>()
  const rules: Rule[] = []
  for (const { attributes } of messages.filter((one) => isOf(one, name))) {
    for (const set of anonymousSets(attributes)) {
      anonymous.set(set, await readAnonymous(exchange, table, set, options))
    }
    const rule = readRule(attributes, anonymous)
    if (rule === undefined) return undefined
    rules.push(rule)
  }
  return rules
}

/** Not every kernel heeds the names in every dump. */
function isOf({ attributes }: Message, chain: string): boolean {
  return (
    attributes.text(ruleAttribute.table) === TABLE_NAME &&
    attributes.text(ruleAttribute.chain) === chain
  )
}

function anonymousSets(rule: Attributes): readonly string[] {
  return rule.list(ruleAttribute.expressions, LIST_ITEM).flatMap((item) => {
    if (item.text(expressionAttribute.name) !== 'lookup') return []
    const set = item.nested(expressionAttribute.content)?.text(LOOKUP_SET)
    return set?.startsWith(ANONYMOUS) === true ? [set] : []
  })
}

async function readAnonymous(
  exchange: Exchange,
  table: Chain['table'],
  set: string,
  options: CallOptions | undefined,
): Promise<readonly RawElement[]> {
  const messages = await exchange.dump(
    `set ${table} ${TABLE_NAME} ${set}`,
    typeOf('getElement'),
    family[table],
    (writer) => {
      writer.text(elementListAttribute.table, TABLE_NAME)
      writer.text(elementListAttribute.set, set)
    },
    options,
  )
  return messages.flatMap(({ attributes }) =>
    attributes.list(elementListAttribute.elements, LIST_ITEM).map(readRawElement),
  )
}

function typeOf(type: keyof typeof tablesType): number {
  return (subsystem.tables << 8) | tablesType[type]
}
