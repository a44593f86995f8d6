import { PurlinError } from '@purlin/base'
import {
  expressionAttribute,
  family,
  LIST_ITEM,
  ruleAttribute,
  ruleUserData,
  subsystem,
  tablesType,
} from '../netlink/constants.ts'
import { noteText } from '../netlink/decode-set.ts'
import type { Exchange } from '../netlink/exchange.ts'
import type { Attributes } from '../netlink/reader.ts'
import type { CallOptions, TraceStep } from '../netlink/socket.ts'

/** What is known of a rule by its handle. */
export interface RuleNote {
  /** Undefined where it has none. */
  readonly comment: string | undefined
  /** Whether a look-up says its verdict: then its comment is not that of what decided. */
  readonly byMap: boolean
}

/** By `noteKey`. */
export type RuleNotes = ReadonlyMap<string, RuleNote>

const LOOKUP_INTO = 3
const VERDICT_REGISTER = 0
const numbers = { inet: family.inet, bridge: family.bridge, ip: family.ipv4, ip6: family.ipv6 }

/** The key of the rule that a step met. */
export function noteKey(step: Pick<TraceStep, 'family' | 'table' | 'chain' | 'ruleHandle'>) {
  return `${chainKey(step)} ${step.ruleHandle ?? ''}`
}

function chainKey(step: Pick<TraceStep, 'family' | 'table' | 'chain'>): string {
  return `${step.family} ${step.table} ${step.chain}`
}

/** Notes of all rules in the chains that the steps went through, whoever made them.
 *  Errors: PUR_NFT_UNREADABLE, PUR_DEADLINE_PASSED, PUR_CANCELLED. */
export async function readRuleNotes(
  exchange: Exchange,
  steps: readonly TraceStep[],
  options: CallOptions,
): Promise<RuleNotes> {
  const chains = new Map(steps.map((step) => [chainKey(step), step]))
  const notes = new Map<string, RuleNote>()
  for (const [key, { family: word, table, chain }] of chains) {
    if (word === 'other') continue
    const messages = await exchange.dump(
      `chain ${key}`,
      (subsystem.tables << 8) | tablesType.getRule,
      numbers[word],
      (writer) => {
        writer.text(ruleAttribute.table, table)
        writer.text(ruleAttribute.chain, chain)
      },
      options,
    )
    for (const { attributes } of messages) {
      // Not every kernel heeds the names in a dump.
      if (attributes.text(ruleAttribute.table) !== table) continue
      if (attributes.text(ruleAttribute.chain) !== chain) continue
      const ruleHandle = attributes.u64(ruleAttribute.handle)
      notes.set(noteKey({ family: word, table, chain, ruleHandle }), noteOf(attributes))
    }
  }
  return notes
}

function noteOf(rule: Attributes): RuleNote {
  const comment = noteText(rule.bytes(ruleAttribute.userData), ruleUserData.comment)
  const byMap = rule
    .list(ruleAttribute.expressions, LIST_ITEM)
    .some(
      (item) =>
        item.text(expressionAttribute.name) === 'lookup' &&
        item.nested(expressionAttribute.content)?.u32(LOOKUP_INTO) === VERDICT_REGISTER,
    )
  return { comment, byMap }
}

/** What is thrown where a rule that a packet met cannot be read any more. */
export function rulesChanged(what: string): PurlinError {
  return new PurlinError('PUR_NFT_CONCURRENT', {
    message: `${what}: rules that the packet met were replaced before they could be read; ask again`,
  })
}
