import { PurlinError } from '@purlin/base'
import {
  batchType,
  chainAttribute,
  family,
  hookAttribute,
  hookNames,
  messageFlag,
  ruleAttribute,
  ruleUserData,
  subsystem,
  tableAttribute,
  tablesType,
  verdictAttribute,
  verdictCode,
} from '../netlink/constants.ts'
import { type Exchange, errorsOf, errorText } from '../netlink/exchange.ts'
import {
  expression,
  FIRST_REGISTER,
  VERDICT_REGISTER,
  writeBytes,
  writeComparison,
  writeLoad,
} from '../netlink/expressions.ts'
import { payloadBase } from '../netlink/fields.ts'
import { readMessages } from '../netlink/reader.ts'
import type { CallOptions } from '../netlink/socket.ts'
import { MessageWriter } from '../netlink/writer.ts'
import type { Hook } from '../target/statement.ts'
import type { ProbeFrame } from './probe-frame.ts'

/** All tables of probes are called so, and each by a part of its own. */
export const PROBE_TABLE_PREFIX = 'purlin-live-'
/** The chain in which a frame that everything has accepted ends. */
export const END_CHAIN = 'end'

/** The kernel takes the table away when the socket that made it is closed, however. */
const OWNED_BY_SOCKET = 0x2
const POLICY_ACCEPT = 1
const META_TRACE = 12
/** Before and behind everybody else's. Bridge netfilter, in which the lists are asked, is at 0. */
const FIRST = -10_000
const LAST = 10_000

type Deed = 'trace' | 'drop'

const chains: readonly { readonly name: string; readonly hook: Hook; readonly deed: Deed }[] = [
  { name: 'begin', hook: { hook: 'prerouting', priority: FIRST }, deed: 'trace' },
  { name: 'host', hook: { hook: 'input', priority: FIRST }, deed: 'drop' },
  { name: END_CHAIN, hook: { hook: 'forward', priority: LAST }, deed: 'drop' },
]

/** Makes a table of the bridge family that traces a frame from its first hook on and drops it where
 *  it would reach a port or the host. It stands as long as the socket of `exchange` is open.
 *  Errors: PUR_NFT_REFUSED (no such tables before Linux 5.12), PUR_DEADLINE_PASSED. */
export async function addProbeTable(
  exchange: Exchange,
  table: string,
  frame: ProbeFrame,
  options: CallOptions,
): Promise<void> {
  const batch = new ProbeBatch(exchange, table)
  batch.table()
  for (const chain of chains) batch.chain(chain.name, chain.hook)
  for (const chain of chains) batch.rule(chain.name, frame, chain.deed)
  const { bytes, first, last } = batch.finish()
  const what = `table bridge ${table}`
  const answer = await exchange.send(what, bytes, first, last, 'batch', options)
  const refused = errorsOf(readMessages(answer.messages)).find(({ errno }) => errno !== 0)
  if (refused === undefined) return
  throw new PurlinError('PUR_NFT_REFUSED', {
    message:
      `${what}: the kernel refused it, nothing was sent: ${errorText(refused.errno)} ${refused.text}`.trim(),
  })
}

class ProbeBatch {
  readonly #exchange: Exchange
  readonly #name: string
  readonly #writer = new MessageWriter()
  readonly #first: number
  #last = 0
  #start = 0

  constructor(exchange: Exchange, name: string) {
    this.#exchange = exchange
    this.#name = name
    this.#first = this.#control(batchType.begin)
  }

  table(): void {
    this.#begin(tablesType.newTable, messageFlag.create | messageFlag.exclusive)
    this.#writer.text(tableAttribute.name, this.#name)
    this.#writer.u32(tableAttribute.flags, OWNED_BY_SOCKET)
    this.#writer.end(this.#start)
  }

  chain(name: string, { hook, priority }: Hook): void {
    this.#begin(tablesType.newChain, messageFlag.create)
    this.#writer.text(chainAttribute.table, this.#name)
    this.#writer.text(chainAttribute.name, name)
    this.#writer.text(chainAttribute.type, 'filter')
    const place = this.#writer.nest(chainAttribute.hook)
    this.#writer.u32(hookAttribute.number, hookNames.indexOf(hook))
    this.#writer.u32(hookAttribute.priority, priority >>> 0)
    this.#writer.endNest(place)
    this.#writer.u32(chainAttribute.policy, POLICY_ACCEPT)
    this.#writer.end(this.#start)
  }

  rule(chain: string, { nonce, nonceAt }: ProbeFrame, deed: Deed): void {
    this.#begin(tablesType.newRule, messageFlag.create | messageFlag.append)
    this.#writer.text(ruleAttribute.table, this.#name)
    this.#writer.text(ruleAttribute.chain, chain)
    const expressions = this.#writer.nest(ruleAttribute.expressions)
    const load = { from: 'payload', base: payloadBase.network, offset: nonceAt } as const
    writeLoad(this.#writer, { ...load, header: 'ip' }, nonce.length, FIRST_REGISTER)
    writeComparison(this.#writer, 'equal', nonce)
    if (deed === 'trace') this.#trace()
    else this.#drop()
    this.#writer.endNest(expressions)
    this.#writer.note(ruleAttribute.userData, ruleUserData.comment, `probe/${deed}`)
    this.#writer.end(this.#start)
  }

  finish(): { readonly bytes: Uint8Array; readonly first: number; readonly last: number } {
    this.#writer.addFlags(this.#start, messageFlag.ack)
    const last = this.#control(batchType.end)
    return { bytes: this.#writer.bytes(), first: this.#first, last }
  }

  #trace(): void {
    expression(this.#writer, 'immediate', () => {
      this.#writer.u32(1, FIRST_REGISTER)
      writeBytes(this.#writer, 2, Uint8Array.of(1))
    })
    expression(this.#writer, 'meta', () => {
      this.#writer.u32(2, META_TRACE)
      this.#writer.u32(3, FIRST_REGISTER)
    })
  }

  #drop(): void {
    expression(this.#writer, 'immediate', () => {
      this.#writer.u32(1, VERDICT_REGISTER)
      const content = this.#writer.nest(2)
      const verdict = this.#writer.nest(2)
      this.#writer.u32(verdictAttribute.code, verdictCode.drop)
      this.#writer.endNest(verdict)
      this.#writer.endNest(content)
    })
  }

  #begin(type: number, flags: number): void {
    this.#last = this.#exchange.take(1)
    const whole = messageFlag.request | flags
    const kind = (subsystem.tables << 8) | type
    this.#start = this.#writer.begin(kind, whole, this.#last, family.bridge)
  }

  #control(type: number): number {
    const sequence = this.#exchange.take(1)
    const { request } = messageFlag
    const { unspecified } = family
    const resource = subsystem.tables
    this.#writer.end(this.#writer.begin(type, request, sequence, unspecified, resource))
    return sequence
  }
}
