import {
  type Clock,
  errorCatalogue,
  PurlinError,
  type RandomBytes,
  withDeadline,
} from '@purlin/base'
import { type Dispatcher, request } from 'undici'
import { type BackOff, pauseMs } from './back-off.ts'
import type { Call } from './call.ts'
import { errorOfAnswer } from './problem.ts'
import type { Connection } from './target.ts'
import { errorOfConnection } from './unreachable.ts'
import { type ByteStream, openWebSocket } from './web-socket.ts'

export interface TransportOptions {
  readonly clock: Clock
  readonly random: RandomBytes
  /** For calls that name none. */
  readonly deadlineMs: number
  /** For calls that name none. */
  readonly attempts: number
  readonly backOff: BackOff
  /** Ends every call. */
  readonly signal?: AbortSignal
}

/** Body of an answer whose status is good. */
export type AnswerBody = Dispatcher.ResponseData['body']

const ERROR_TEXT_LIMIT_CHARACTERS = 1_048_576
const DEFAULT_SILENCE_MS = 300_000

/** Sends calls: deadline, retries, errors. One for each client. */
export class Transport {
  readonly options: TransportOptions
  readonly #connection: Connection

  constructor(connection: Connection, options: TransportOptions) {
    this.#connection = connection
    this.options = options
  }

  /** The JSON of the answer. Errors: the agent's own, PUR_AGENT_UNREACHABLE, PUR_DEADLINE_PASSED,
   *  PUR_CANCELLED. */
  async json(call: Call): Promise<unknown> {
    const text = await this.text(call)
    try {
      return JSON.parse(text)
    } catch (thrown) {
      throw new PurlinError('PUR_INTERNAL', {
        message: `${titleOf(call)}: the answer is not JSON: ${text.slice(0, 200)}`,
        cause: thrown,
      })
    }
  }

  /** The text of the answer. Errors: as `json`. */
  text(call: Call): Promise<string> {
    return this.consume(call, (body) => body.text())
  }

  /** Reads the answer's body with `read`, all of it inside the deadline; a body cut off on its
   *  way is asked for again. Errors: as `json`. */
  consume<Value>(call: Call, read: (body: AnswerBody) => Promise<Value>): Promise<Value> {
    return this.#withinDeadline(call, async (signal) => await read(await this.#send(call, signal)))
  }

  /** The answer's body as it comes; the deadline ends with the headers. `call.options.signal` cuts
   *  the body too. Errors: as `json`. */
  stream(call: Call): Promise<AnswerBody> {
    const outer = this.#outerSignal(call)
    return this.#withinDeadline(call, (signal) =>
      this.#send(call, outer === undefined ? signal : AbortSignal.any([signal, outer])),
    )
  }

  /** Opens a WebSocket; the deadline ends when it is open. It is tried once. Errors: as `json`. */
  webSocket(call: Call): Promise<ByteStream> {
    return withDeadline(
      titleOf(call),
      call.options?.deadlineMs ?? this.options.deadlineMs,
      (signal) => openWebSocket(this.#connection, call, signal),
      this.#outerSignal(call),
    )
  }

  /** The error that a failure of a connection means. */
  connectionError(call: Call, thrown: unknown): PurlinError {
    return errorOfConnection(titleOf(call), this.#connection.title, thrown)
  }

  async close(): Promise<void> {
    await this.#connection.dispatcher.destroy()
  }

  #withinDeadline<Value>(
    call: Call,
    work: (signal: AbortSignal) => Promise<Value>,
  ): Promise<Value> {
    const { deadlineMs = this.options.deadlineMs } = call.options ?? {}
    return withDeadline(
      titleOf(call),
      deadlineMs,
      (signal) => this.#retry(call, signal, () => work(signal)),
      this.#outerSignal(call),
    )
  }

  #outerSignal(call: Call): AbortSignal | undefined {
    const signals = [this.options.signal, call.options?.signal].filter((one) => one !== undefined)
    return signals.length > 1 ? AbortSignal.any(signals) : signals[0]
  }

  async #retry<Value>(call: Call, signal: AbortSignal, work: () => Promise<Value>): Promise<Value> {
    const { clock, random, backOff } = this.options
    const attempts = call.options?.attempts ?? this.options.attempts
    for (let attempt = 0; ; attempt++) {
      try {
        return await work()
      } catch (thrown) {
        const error = this.connectionError(call, thrown)
        if (signal.aborted || attempt + 1 >= attempts || !worthRetrying(error)) throw error
        await clock.sleep(pauseMs(backOff, attempt, random), signal)
      }
    }
  }

  async #send(call: Call, signal: AbortSignal): Promise<AnswerBody> {
    const { dispatcher, origin, headers } = this.#connection
    const query = new URLSearchParams(
      Object.entries(call.query ?? {}).map(([name, text]): [string, string] => [
        name,
        String(text),
      ]),
    ).toString()
    const { statusCode, body } = await request(
      `${origin}${call.path}${query === '' ? '' : `?${query}`}`,
      {
        dispatcher,
        method: call.method,
        headers: {
          ...headers,
          ...call.headers,
          ...(call.body && { 'content-type': call.bodyType ?? 'application/json' }),
        },
        body: call.body?.() ?? null,
        signal,
        // The deadline of the call is the one that counts; these only have to be longer.
        headersTimeout: 0,
        bodyTimeout: call.silenceMs ?? DEFAULT_SILENCE_MS,
      },
    )
    const good = statusCode >= 200 && statusCode < 300
    if (good || call.acceptedStatuses?.includes(statusCode)) return body
    const text = (await body.text()).slice(0, ERROR_TEXT_LIMIT_CHARACTERS)
    throw errorOfAnswer(titleOf(call), statusCode, text)
  }
}

/** Only what is gone by itself after a while; what was answered with 4xx will be answered so
 *  again. */
function worthRetrying({ code }: PurlinError): boolean {
  const { kind, retry } = errorCatalogue[code]
  return kind === 'unavailable' && retry === 'later'
}

function titleOf({ method, path }: Call): string {
  return `${method} ${path}`
}
