import { connect, type Socket } from 'node:net'
import { type Clock, PurlinError, withDeadline } from '@purlin/base'
import { createFramer } from './frame.ts'
import { unreachable } from './unreachable.ts'

/** Longest message that is read; a table of 10,000 ports is below 10 MB. */
const MESSAGE_LIMIT_BYTES = 64 * 1024 * 1024
const PENDING_LIMIT = 1_024
/** A database that says nothing for this long is asked for an echo, and dropped when none comes. */
const ECHO_INTERVAL_MS = 5_000

interface Answer {
  readonly result?: unknown
  readonly error?: unknown
}

export interface Session {
  /** Calls a method and returns its result. Errors: PUR_OVS_UNREACHABLE, PUR_OVS_REFUSED,
   *  PUR_CANCELLED. */
  call(
    method: string,
    parameters: readonly unknown[],
    deadlineMs: number,
    signal?: AbortSignal,
  ): Promise<unknown>
  /** Settles, without ever rejecting, when the connection is gone; the text says why. */
  readonly closed: Promise<string>
  close(): void
}

export interface SessionOptions {
  readonly socketPath: string
  readonly clock: Clock
  readonly connectDeadlineMs: number
  readonly onNotification: (method: string, parameters: readonly unknown[]) => void
  readonly signal: AbortSignal
}

/** Opens one connection to the database: JSON-RPC 1.0 on its unix socket (RFC 7047 section 4).
 *  Errors: PUR_OVS_UNREACHABLE. */
export async function openSession(options: SessionOptions): Promise<Session> {
  const socket = await opened(options)
  const framer = createFramer(MESSAGE_LIMIT_BYTES)
  const pending = new Map<number, (answer: Answer) => void>()
  const ending = Promise.withResolvers<string>()
  const stop = new AbortController()
  let lastIdentifier = 0
  let lastHeardMs = options.clock.monotonicMs()
  let over: string | undefined

  const end = (why: string): void => {
    if (over !== undefined) return
    over = why
    stop.abort()
    socket.destroy()
    const error = unreachable(options.socketPath, why)
    for (const settle of pending.values()) settle({ error })
    pending.clear()
    ending.resolve(why)
  }

  const receive = (text: string): void => {
    const message: unknown = JSON.parse(text)
    if (typeof message !== 'object' || message === null) return
    const { id, method, params, result, error } = message as Record<string, unknown>
    if (method === 'echo') socket.write(JSON.stringify({ id, result: params, error: null }))
    else if (typeof method === 'string') {
      options.onNotification(method, Array.isArray(params) ? params : [])
    } else if (typeof id === 'number') {
      pending.get(id)?.({ result, error })
    }
  }

  socket.on('data', (bytes: Buffer) => {
    lastHeardMs = options.clock.monotonicMs()
    try {
      for (const text of framer.take(bytes)) receive(text)
    } catch (thrown) {
      end(thrown instanceof Error ? thrown.message : String(thrown))
    }
  })
  socket.on('error', (error) => end(error.message))
  socket.on('close', () => end('it closed the connection'))

  const call: Session['call'] = async (method, parameters, deadlineMs, signal) => {
    if (over !== undefined) throw unreachable(options.socketPath, over)
    if (pending.size >= PENDING_LIMIT) {
      throw unreachable(options.socketPath, `${PENDING_LIMIT} calls wait for its answer`)
    }
    const id = ++lastIdentifier
    const answered = Promise.withResolvers<Answer>()
    pending.set(id, answered.resolve)
    socket.write(JSON.stringify({ method, params: parameters, id }))
    try {
      const answer = await withDeadline(
        `${method} on ${options.socketPath}`,
        deadlineMs,
        () => answered.promise,
        signal,
      )
      if (answer.error instanceof PurlinError) throw answer.error
      if (answer.error !== null && answer.error !== undefined) throw refused(method, answer.error)
      return answer.result
    } catch (thrown) {
      if (thrown instanceof PurlinError && thrown.code === 'PUR_DEADLINE_PASSED') {
        throw unreachable(options.socketPath, `no answer to ${method} within ${deadlineMs} ms`)
      }
      throw thrown
    } finally {
      pending.delete(id)
    }
  }

  const keepAlive = async (): Promise<void> => {
    while (over === undefined) {
      await options.clock.sleep(ECHO_INTERVAL_MS, stop.signal)
      if (options.clock.monotonicMs() - lastHeardMs < ECHO_INTERVAL_MS) continue
      await call('echo', [], ECHO_INTERVAL_MS)
    }
  }
  keepAlive().catch(() => end(`it did not answer an echo within ${ECHO_INTERVAL_MS} ms`))

  return { call, closed: ending.promise, close: () => end('the connection was closed here') }
}

/** The error of a transaction or method that the database refused. `reason` is its own words. */
export function refused(what: string, reason: unknown): PurlinError {
  const words = typeof reason === 'string' ? reason : JSON.stringify(reason)
  return new PurlinError('PUR_OVS_REFUSED', {
    message: `${what}: the Open vSwitch database refused it: ${words.slice(0, 500)}`,
    context: { reason: words.slice(0, 2_000) },
  })
}

async function opened(options: SessionOptions): Promise<Socket> {
  const socket = connect(options.socketPath)
  try {
    return await withDeadline(
      `connect to ${options.socketPath}`,
      options.connectDeadlineMs,
      () =>
        new Promise<Socket>((resolve, reject) => {
          socket.once('connect', () => {
            socket.removeAllListeners('error')
            resolve(socket)
          })
          socket.once('error', reject)
        }),
      options.signal,
    )
  } catch (thrown) {
    socket.on('error', () => {})
    socket.destroy()
    throw unreachable(options.socketPath, thrown instanceof Error ? thrown.message : String(thrown))
  }
}
