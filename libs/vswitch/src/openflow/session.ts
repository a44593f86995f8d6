import { connect, type Socket } from 'node:net'
import { type Clock, PurlinError, withDeadline } from '@purlin/base'
import {
  bundleMember,
  bundleStep,
  bundleSteps,
  flowMonitorRequest,
  flowRequest,
  HEADER_BYTES,
  message,
  messageTypes,
  meterRequest,
  multipartTypes,
  VERSION,
} from './message.ts'
import {
  countForeignChanges,
  errorText,
  type FlowEntry,
  type MeterEntry,
  readFlows,
  readMeters,
} from './reply.ts'

const CONNECT_DEADLINE_MS = 2_000
const CALL_DEADLINE_MS = 5_000
const ECHO_INTERVAL_MS = 5_000
/** A bundle is written in pieces, so that a slow switch does not fill our memory. */
const WRITE_PIECE_MESSAGES = 512
const MORE_FOLLOWS = 1

/** A message to send, without its head. */
export interface Request {
  readonly type: number
  readonly body: Uint8Array
}

/** One connection to a bridge's management socket (OpenFlow 1.4). It does not make the agent the
 *  bridge's controller: when the connection ends, flows stay as they are. */
export interface OpenflowSession {
  /** Carries out the flow changes, all or none. Errors: PUR_OPENFLOW_REFUSED with the switch's own
   *  words, PUR_OVS_UNREACHABLE, PUR_CANCELLED. */
  commit(
    what: string,
    changes: readonly Uint8Array[],
    deadlineMs: number,
    signal?: AbortSignal,
  ): Promise<void>
  /** Sends messages that are not answered and waits until they are carried out. Errors: as
   *  `commit`, told of the first that was refused; the others hold. */
  send(what: string, requests: readonly Request[], signal?: AbortSignal): Promise<void>
  flows(signal?: AbortSignal): Promise<readonly FlowEntry[]>
  meters(signal?: AbortSignal): Promise<readonly MeterEntry[]>
  /** Whether changes by others are told; Open vSwitch before 2.17 does not. */
  readonly watches: boolean
  /** Settles, without ever rejecting, when the connection is gone; the text says why. */
  readonly closed: Promise<string>
  close(): void
}

export interface OpenflowOptions {
  /** As `/run/openvswitch/dvs0.mgmt`. */
  readonly socketPath: string
  readonly clock: Clock
  /** Somebody else changed flows. */
  readonly onForeignChange: () => void
  /** A flow has handed a frame to this connection; it asks for them by a message of its own. */
  readonly onPacketIn?: (body: Buffer) => void
  readonly signal?: AbortSignal
}

interface Pending {
  /** Returns whether the answer is whole. */
  readonly take: (type: number, body: Buffer) => boolean
  readonly settle: (error?: PurlinError) => void
}

/** Opens a connection. Errors: PUR_OVS_UNREACHABLE. */
export async function openOpenflow(options: OpenflowOptions): Promise<OpenflowSession> {
  const { socketPath, clock } = options
  const socket = await opened(options)
  const pending = new Map<number, Pending>()
  const ending = Promise.withResolvers<string>()
  const stop = new AbortController()
  let over: string | undefined
  let lastTransaction = 0
  let lastBundle = 0
  let lastHeardMs = clock.monotonicMs()
  let monitorTransaction = -1
  let watches = true
  let held: Buffer = Buffer.alloc(0)

  const end = (why: string): void => {
    if (over !== undefined) return
    over = why
    stop.abort()
    socket.destroy()
    for (const one of pending.values()) one.settle(unreachableBridge(socketPath, why))
    pending.clear()
    ending.resolve(why)
  }

  const receive = (type: number, transaction: number, body: Buffer): void => {
    if (type === messageTypes.echoRequest) {
      socket.write(message(messageTypes.echoReply, transaction, body))
      return
    }
    if (transaction === monitorTransaction && type === messageTypes.error) {
      watches = false
      return
    }
    const { multipartReply } = messageTypes
    if (type === multipartReply && body.readUInt16BE(0) === multipartTypes.flowMonitor) {
      if (countForeignChanges(body.subarray(8)) > 0) options.onForeignChange()
      return
    }
    if (type === messageTypes.packetIn) options.onPacketIn?.(body)
    const waiting = pending.get(transaction)
    if (waiting === undefined) return
    if (type === messageTypes.error) {
      pending.delete(transaction)
      waiting.settle(refusedBy(socketPath, errorText(body)))
    } else if (waiting.take(type, body)) {
      pending.delete(transaction)
      waiting.settle()
    }
  }

  socket.on('data', (bytes: Buffer) => {
    lastHeardMs = clock.monotonicMs()
    held = held.length === 0 ? bytes : Buffer.concat([held, bytes])
    try {
      let at = 0
      while (held.length - at >= HEADER_BYTES) {
        const length = held.readUInt16BE(at + 2)
        if (length < HEADER_BYTES) throw new RangeError('a message shorter than its head')
        if (held.length - at < length) break
        const body = held.subarray(at + HEADER_BYTES, at + length)
        receive(held.readUInt8(at + 1), held.readUInt32BE(at + 4), body)
        at += length
      }
      held = held.subarray(at)
    } catch (thrown) {
      end(thrown instanceof Error ? thrown.message : String(thrown))
    }
  })
  socket.on('error', (error) => end(error.message))
  socket.on('close', () => end('it closed the connection'))

  /** Awaits answers to a transaction; the error of an expired wait names `what`. */
  const answered = async (
    what: string,
    transaction: number,
    take: Pending['take'],
    deadlineMs: number,
    signal?: AbortSignal,
  ): Promise<void> => {
    if (over !== undefined) throw unreachableBridge(socketPath, over)
    const waiting = Promise.withResolvers<void>()
    const settle = (error?: PurlinError): void => {
      if (error === undefined) waiting.resolve()
      else waiting.reject(error)
    }
    pending.set(transaction, { take, settle })
    try {
      await withDeadline(what, deadlineMs, () => waiting.promise, signal)
    } catch (thrown) {
      if (thrown instanceof PurlinError && thrown.code === 'PUR_DEADLINE_PASSED') {
        throw unreachableBridge(socketPath, `no answer to "${what}" within ${deadlineMs} ms`)
      }
      throw thrown
    } finally {
      pending.delete(transaction)
    }
  }

  const next = (): number => {
    lastTransaction = (lastTransaction % 0x7fff_ffff) + 1
    return lastTransaction
  }

  const call = async (
    what: string,
    type: number,
    body: Uint8Array | undefined,
    take: Pending['take'],
    deadlineMs = CALL_DEADLINE_MS,
    signal?: AbortSignal,
  ): Promise<void> => {
    const transaction = next()
    const wait = answered(what, transaction, take, deadlineMs, signal)
    socket.write(message(type, transaction, body))
    await wait
  }

  /** Collects the parts of an answer in parts. */
  const parts = async <Entry>(
    what: string,
    request: Buffer,
    kind: number,
    read: (body: Buffer) => readonly Entry[],
    signal?: AbortSignal,
  ): Promise<readonly Entry[]> => {
    const found: Entry[] = []
    const take = (type: number, body: Buffer): boolean => {
      if (type !== messageTypes.multipartReply || body.readUInt16BE(0) !== kind) return false
      found.push(...read(body.subarray(8)))
      return (body.readUInt16BE(2) & MORE_FOLLOWS) === 0
    }
    await call(what, messageTypes.multipartRequest, request, take, CALL_DEADLINE_MS, signal)
    return found
  }

  /** Sends many messages; the first error that the switch tells of any of them is kept. */
  const sendAll = async (
    requests: readonly Request[],
    failed: (error: PurlinError, at: number) => void,
  ): Promise<readonly number[]> => {
    const transactions: number[] = []
    for (let start = 0; start < requests.length; start += WRITE_PIECE_MESSAGES) {
      const piece = requests.slice(start, start + WRITE_PIECE_MESSAGES)
      const bytes = piece.map(({ type, body }, offset) => {
        const transaction = next()
        transactions.push(transaction)
        const settle = (error?: PurlinError): void => {
          if (error !== undefined) failed(error, start + offset)
        }
        pending.set(transaction, { take: () => false, settle })
        return message(type, transaction, body)
      })
      await written(socket, Buffer.concat(bytes), stop.signal)
    }
    return transactions
  }

  const session: OpenflowSession = {
    get watches() {
      return watches
    },
    closed: ending.promise,
    close: () => end('the connection was closed here'),
    flows: (signal) => parts('list flows', flowRequest(), multipartTypes.flow, readFlows, signal),
    meters: (signal) =>
      parts('list meters', meterRequest(), multipartTypes.meter, readMeters, signal),
    send: async (what, requests, signal) => {
      let first: PurlinError | undefined
      const transactions = await sendAll(requests, (error) => {
        first ??= error
      })
      try {
        const isDone = (type: number): boolean => type === messageTypes.barrierReply
        const { barrierRequest } = messageTypes
        await call(what, barrierRequest, undefined, isDone, CALL_DEADLINE_MS, signal)
      } finally {
        for (const transaction of transactions) pending.delete(transaction)
      }
      if (first !== undefined) throw named(what, first)
    },
    commit: async (what, changes, deadlineMs, signal) => {
      const bundle = ++lastBundle
      const { bundleControl, bundleAdd } = messageTypes
      const step = (kind: number): Buffer => bundleStep(bundle, kind)
      const anyReply = (type: number): boolean => type === bundleControl
      let first: { error: PurlinError; at: number } | undefined
      await call(what, bundleControl, step(bundleSteps.open), anyReply, deadlineMs, signal)
      // The member has the transaction of the message that carries it, so both are made at once.
      const members = changes.map((change) => ({ type: bundleAdd, body: change }))
      const transactions = await sendAllMembers(members, bundle, (error, at) => {
        first ??= { error, at }
      })
      try {
        // A member that is refused leaves the others in the bundle, so it is asked before the end.
        const isDone = (type: number): boolean => type === messageTypes.barrierReply
        const { barrierRequest } = messageTypes
        await call(what, barrierRequest, undefined, isDone, deadlineMs, signal)
        if (first !== undefined) throw first.error
        await call(what, bundleControl, step(bundleSteps.commit), anyReply, deadlineMs, signal)
      } catch (thrown) {
        if (over === undefined) {
          socket.write(message(bundleControl, next(), step(bundleSteps.discard)))
        }
        if (first === undefined) throw thrown
        throw named(`${what}, change ${first.at + 1} of ${changes.length}`, first.error)
      } finally {
        for (const transaction of transactions) pending.delete(transaction)
      }
    },
  }

  async function sendAllMembers(
    members: readonly Request[],
    bundle: number,
    failed: (error: PurlinError, at: number) => void,
  ): Promise<readonly number[]> {
    const first = lastTransaction + 1
    const wrapped = members.map(({ type, body }, index) => {
      const inner = message(messageTypes.flowMod, transactionAt(first, index), body)
      return { type, body: bundleMember(bundle, inner) }
    })
    return await sendAll(wrapped, failed)
  }

  const keepAlive = async (): Promise<void> => {
    while (over === undefined) {
      await clock.sleep(ECHO_INTERVAL_MS, stop.signal)
      if (clock.monotonicMs() - lastHeardMs < ECHO_INTERVAL_MS) continue
      const isEcho = (type: number): boolean => type === messageTypes.echoReply
      await call('echo', messageTypes.echoRequest, undefined, isEcho, ECHO_INTERVAL_MS)
    }
  }

  socket.write(message(messageTypes.hello, next(), hello()))
  monitorTransaction = next()
  socket.write(message(messageTypes.multipartRequest, monitorTransaction, flowMonitorRequest()))
  // What was sent before is answered before: after this the monitor is on, or known not to be.
  const isDone = (type: number): boolean => type === messageTypes.barrierReply
  try {
    await call('greet', messageTypes.barrierRequest, undefined, isDone, CONNECT_DEADLINE_MS)
  } catch (thrown) {
    end('it did not answer the greeting')
    throw thrown
  }
  keepAlive().catch(() => end(`it did not answer an echo within ${ECHO_INTERVAL_MS} ms`))
  return session
}

/** The number after `first` by `index`, as `next` counts. */
function transactionAt(first: number, index: number): number {
  return ((first + index - 1) % 0x7fff_ffff) + 1
}

/** Element of the versions that we speak: this one alone. */
function hello(): Buffer {
  const body = Buffer.alloc(8)
  body.writeUInt16BE(1, 0)
  body.writeUInt16BE(8, 2)
  body.writeUInt32BE(1 << VERSION, 4)
  return body
}

async function written(socket: Socket, bytes: Buffer, signal: AbortSignal): Promise<void> {
  if (socket.write(bytes) || signal.aborted) return
  await new Promise<void>((resolve) => {
    const go = (): void => {
      socket.off('drain', go)
      signal.removeEventListener('abort', go)
      resolve()
    }
    socket.once('drain', go)
    signal.addEventListener('abort', go, { once: true })
  })
}

function refusedBy(socketPath: string, words: string): PurlinError {
  return new PurlinError('PUR_OPENFLOW_REFUSED', {
    message: `${socketPath}: the switch refused it: ${words}`,
    context: { socketPath, reason: words },
  })
}

function named(what: string, error: PurlinError): PurlinError {
  return new PurlinError('PUR_OPENFLOW_REFUSED', {
    message: `${what}: ${error.message}`,
    cause: error,
  })
}

function unreachableBridge(socketPath: string, why: string): PurlinError {
  return new PurlinError('PUR_OVS_UNREACHABLE', {
    message: `the flows of the bridge behind ${socketPath} cannot be read or changed: ${why}; look whether ovs-vswitchd runs and the bridge stands`,
    context: { socketPath, reason: why },
  })
}

async function opened({ socketPath, signal }: OpenflowOptions): Promise<Socket> {
  const socket = connect(socketPath)
  try {
    return await withDeadline(
      `connect to ${socketPath}`,
      CONNECT_DEADLINE_MS,
      () =>
        new Promise<Socket>((resolve, reject) => {
          socket.once('connect', () => {
            socket.removeAllListeners('error')
            resolve(socket)
          })
          socket.once('error', reject)
        }),
      signal,
    )
  } catch (thrown) {
    socket.on('error', () => {})
    socket.destroy()
    throw unreachableBridge(socketPath, thrown instanceof Error ? thrown.message : String(thrown))
  }
}
