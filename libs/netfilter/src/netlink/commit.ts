import { getSystemErrorName } from 'node:util'
import { PurlinError } from '@purlin/base'
import { type Change, changeText } from './change.ts'
import { errno, family, subsystem, tablesType } from './constants.ts'
import { type Batch, encodeBatch } from './encode-batch.ts'
import { type Exchange, errorsOf, errorText, type KernelError } from './exchange.ts'
import { readMessages } from './reader.ts'
import type { CallOptions, CommitOptions } from './socket.ts'

/** Building a large rule set takes the kernel a while; nobody else can commit meanwhile. */
const COMMIT_DEADLINE_MS = 20_000
const GENERATION_ID = 1
const REFUSALS_SHOWN = 3

/** The present generation of the kernel's rules. */
export async function generation(exchange: Exchange, options?: CallOptions): Promise<number> {
  const type = (subsystem.tables << 8) | tablesType.getGeneration
  const what = "generation of the kernel's rules"
  const [answer] = await exchange.ask(what, type, family.unspecified, () => undefined, options)
  return answer?.attributes.u32(GENERATION_ID) ?? 0
}

/** One transaction; gives the generation that it made. Errors: PUR_NFT_REFUSED,
 *  PUR_NFT_CONCURRENT, PUR_DEADLINE_PASSED, PUR_CANCELLED. */
export async function commit(
  exchange: Exchange,
  changes: readonly Change[],
  { onto, timeoutMs = COMMIT_DEADLINE_MS, ...rest }: CommitOptions = {},
): Promise<number> {
  if (changes.length === 0) return onto ?? (await generation(exchange, rest))
  const batch = encodeBatch(changes, exchange.take(0), onto)
  exchange.take(batch.changeOf.length)
  const { bytes, firstSequence, lastSequence } = batch
  const options = { ...rest, timeoutMs }
  const what = `transaction of ${changes.length} changes`
  const answer = await exchange.send(what, bytes, firstSequence, lastSequence, 'batch', options)
  const errors = errorsOf(readMessages(answer.messages)).filter((error) => error.errno !== 0)
  if (errors.length > 0) throw refusal(what, changes, batch, errors)
  // The kernel counts generations one by one and leaves 0 out.
  return onto === undefined ? generation(exchange, rest) : (onto + 1) >>> 0 || 1
}

function refusal(
  what: string,
  changes: readonly Change[],
  batch: Batch,
  errors: readonly KernelError[],
): PurlinError {
  if (errors.some((error) => error.errno === errno.ERESTART)) {
    return new PurlinError('PUR_NFT_CONCURRENT', {
      message: `${what}: somebody changed the kernel's rules since they were read; nothing was done: read and try again`,
    })
  }
  const texts = errors.slice(0, REFUSALS_SHOWN).map(({ sequence, errno: number, text }) => {
    const index = batch.changeOf[sequence - batch.firstSequence]
    const change = index === undefined ? undefined : changes[index]
    const words = change === undefined ? 'the whole' : changeText(change)
    return `${words}: ${errorText(number)} ${text}`.trim()
  })
  return new PurlinError('PUR_NFT_REFUSED', {
    message: `${what}: the kernel refused it, nothing was done: ${texts.join('; ')}`,
    context: { errors: errors.map((error) => getSystemErrorName(-error.errno)) },
  })
}
