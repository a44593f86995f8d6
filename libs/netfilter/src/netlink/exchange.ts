import { getSystemErrorMessage, getSystemErrorName } from 'node:util'
import { PurlinError } from '@purlin/base'
import type { NetlinkAnswer, NetlinkSocket, RequestWay } from './addon.ts'
import { netlinkAddon } from './addon.ts'
import { controlType, errno, messageFlag, NETLINK_NETFILTER } from './constants.ts'
import { Attributes, type Message, readMessages } from './reader.ts'
import type { CallOptions } from './socket.ts'
import { MessageWriter } from './writer.ts'

const RECEIVE_BUFFER_BYTES = 8 * 1024 * 1024
const DEADLINE_MS = 5000
/** What is waited more for each of several dumps. */
const DUMP_MS = 20
const HEADER_BYTES = 16
const ERROR_BYTES = 4
const EXTENDED_ANSWER = 0x200
const EXTENDED_TEXT = 1
/** How often a dump is begun anew because the rules changed under it. */
const DUMP_TRIES = 20

/** An error of the kernel about one message. */
export interface KernelError {
  readonly sequence: number
  /** As the kernel says it, positive; 0: an acknowledgement. */
  readonly errno: number
  /** The kernel's own sentence where it has one. */
  readonly text: string
}

/** A socket with sequence numbers, deadlines and typed errors. */
export class Exchange {
  readonly #socket: NetlinkSocket
  #sequence = 1
  #closed = false
  /** Settled when the call before is over. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(groups: readonly number[] = []) {
    this.#socket = openSocket(groups)
  }

  get portId(): number {
    return this.#socket.portId
  }

  /** Sequence numbers for this many messages; gives the first. */
  take(count: number): number {
    // Far below the top, so that a batch never wraps.
    if (this.#sequence + count > 0x7fff_ffff) this.#sequence = 1
    const first = this.#sequence
    this.#sequence += count
    return first
  }

  /** One question with one answer, or none where the kernel says so by an acknowledgement. */
  async ask(
    what: string,
    type: number,
    family: number,
    fill: (writer: MessageWriter) => void,
    options: CallOptions = {},
  ): Promise<readonly Message[]> {
    const sequence = this.take(1)
    const writer = new MessageWriter()
    const start = writer.begin(type, messageFlag.request | messageFlag.ack, sequence, family)
    fill(writer)
    writer.end(start)
    const answer = await this.send(what, writer.bytes(), sequence, sequence, 'one', options)
    return contentOf(what, [...readMessages(answer.messages)])
  }

  /** Everything of one sort. Errors: PUR_NFT_UNREADABLE. */
  async dump(
    what: string,
    type: number,
    family: number,
    fill: (writer: MessageWriter) => void,
    options: CallOptions = {},
  ): Promise<readonly Message[]> {
    const [messages] = await this.dumps(what, type, family, [fill], options)
    return messages ?? []
  }

  /** Several dumps of one type, each with what it asks for; begun anew where the rules changed
   *  under one of them. Errors: PUR_NFT_UNREADABLE. */
  async dumps(
    what: string,
    type: number,
    family: number,
    fills: readonly ((writer: MessageWriter) => void)[],
    options: CallOptions = {},
  ): Promise<readonly (readonly Message[])[]> {
    if (fills.length === 0) return []
    const timeoutMs = options.timeoutMs ?? DEADLINE_MS + fills.length * DUMP_MS
    for (let tries = 0; tries < DUMP_TRIES; tries++) {
      const first = this.take(fills.length)
      const writer = new MessageWriter()
      for (const [index, fill] of fills.entries()) {
        const flags = messageFlag.request | messageFlag.dump
        const start = writer.begin(type, flags, first + index, family)
        fill(writer)
        writer.end(start)
      }
      const last = first + fills.length - 1
      const answer = await this.send(what, writer.bytes(), first, last, 'each', {
        ...options,
        timeoutMs,
      })
      const messages = [...readMessages(answer.messages)]
      if (messages.some(wasInterrupted)) continue
      const answers = fills.map((): Message[] => [])
      for (const message of messages) answers[message.sequence - first]?.push(message)
      return answers.map((one) => contentOf(what, one))
    }
    throw new PurlinError('PUR_NFT_UNREADABLE', {
      message: `${what}: the kernel's rules changed under each of ${DUMP_TRIES} readings`,
    })
  }

  /** Sends messages and gives what answers. */
  async send(
    what: string,
    messages: Uint8Array,
    firstSequence: number,
    lastSequence: number,
    way: RequestWay,
    { signal, timeoutMs = DEADLINE_MS }: CallOptions,
  ): Promise<NetlinkAnswer> {
    const answer = await this.#inTurn(() => {
      if (signal?.aborted === true || this.#closed) {
        throw new PurlinError('PUR_CANCELLED', { message: `${what}: given up before it began` })
      }
      return this.#socket.request(messages, firstSequence, lastSequence, way, timeoutMs)
    })
    if (answer.errno === 0) return answer
    if (answer.errno === errno.ETIMEDOUT) {
      throw new PurlinError('PUR_DEADLINE_PASSED', {
        message: `${what}: no answer of the kernel within ${timeoutMs} ms`,
      })
    }
    const { failed } = answer
    throw new PurlinError(way === 'batch' ? 'PUR_NFT_REFUSED' : 'PUR_NFT_UNREADABLE', {
      message: `${what}: ${failed} of ${messages.length} bytes: ${errorText(answer.errno)}`,
      context: { errno: getSystemErrorName(-answer.errno) },
    })
  }

  /** Calls begin in the order in which they were made, each after the end of the one before: they
   *  have one socket, and a thread that waited for it would be one fewer for everybody else. */
  #inTurn(call: () => Promise<NetlinkAnswer>): Promise<NetlinkAnswer> {
    const turn = this.#last.then(call)
    this.#last = turn.catch(() => undefined)
    return turn
  }

  /** Throws for an error of the kernel. */
  fail(what: string, failure: KernelError): never {
    throw new PurlinError('PUR_NFT_UNREADABLE', {
      message: `${what}: ${errorText(failure.errno)} ${failure.text}`.trim(),
      context: { errno: getSystemErrorName(-failure.errno) },
    })
  }

  close(): void {
    this.#closed = true
    this.#socket.close()
  }
}

/** Opens a netfilter socket that belongs to groups of notifications. Errors: PUR_NFT_UNREADABLE. */
export function openSocket(groups: readonly number[]): NetlinkSocket {
  const socket = new (netlinkAddon().NetlinkSocket)(NETLINK_NETFILTER, RECEIVE_BUFFER_BYTES, groups)
  const { failure } = socket
  if (failure === null) return socket
  throw new PurlinError('PUR_NFT_UNREADABLE', {
    message: `netlink socket of netfilter: ${failure.failed}: ${errorText(failure.errno)}; it needs the privilege CAP_NET_ADMIN`,
  })
}

/** `ENOENT (no such file or directory)`. */
export function errorText(number: number): string {
  return `${getSystemErrorName(-number)} (${getSystemErrorMessage(-number)})`
}

/** The errors and acknowledgements among messages. */
export function errorsOf(messages: Iterable<Message>): readonly KernelError[] {
  const errors: KernelError[] = []
  for (const message of messages) {
    if (message.type === controlType.error) errors.push(readError(message))
  }
  return errors
}

function readError({ payload, flags }: Message): KernelError {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
  const sequence = view.getUint32(ERROR_BYTES + 8, true)
  const rest = payload.subarray(ERROR_BYTES + HEADER_BYTES)
  const extended = (flags & EXTENDED_ANSWER) !== 0 ? new Attributes(rest) : undefined
  return {
    sequence,
    errno: -view.getInt32(0, true),
    text: extended?.text(EXTENDED_TEXT) ?? '',
  }
}

function wasInterrupted(message: Message): boolean {
  if ((message.flags & messageFlag.dumpInterrupted) !== 0) return true
  return message.type === controlType.done && doneError(message) === errno.EINTR
}

function doneError({ payload }: Message): number {
  if (payload.length < ERROR_BYTES) return 0
  return -new DataView(payload.buffer, payload.byteOffset).getInt32(0, true)
}

/** The messages of an answer that say something. Errors: PUR_NFT_UNREADABLE; a missing object is
 *  no error: it gives no message. */
function contentOf(what: string, messages: readonly Message[]): readonly Message[] {
  const [failure] = errorsOf(messages).filter((error) => error.errno !== 0)
  if (failure !== undefined && failure.errno !== errno.ENOENT) {
    throw new PurlinError('PUR_NFT_UNREADABLE', {
      message: `${what}: ${errorText(failure.errno)} ${failure.text}`.trim(),
      context: { errno: getSystemErrorName(-failure.errno) },
    })
  }
  return messages.filter(({ type }) => type >= HEADER_BYTES)
}
