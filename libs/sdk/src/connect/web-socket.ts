import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { createWebSocketStream, WebSocket } from 'ws'
import type { Call } from './call.ts'
import { errorOfAnswer } from './problem.ts'
import type { Connection } from './target.ts'
import { errorOfConnection } from './unreachable.ts'

const MESSAGE_MAX_BYTES = 16_777_216
const ERROR_TEXT_LIMIT_BYTES = 65_536

/** An open WebSocket as a stream of bytes, with back-pressure both ways. */
export interface ByteStream {
  readonly stream: Duplex
  /** Resolves when it is closed: with the code and reason of the other side, or 1006 where there
   *  was no farewell (RFC 6455, 7.4.1). */
  readonly closed: Promise<WebSocketEnd>
}

export interface WebSocketEnd {
  readonly code: number
  readonly reason: string
  /** Who used the stream ended or destroyed it. */
  readonly endedHere: boolean
}

/** Opens a WebSocket of binary messages over the same way as every call. Errors: the agent's own,
 *  PUR_AGENT_UNREACHABLE, PUR_AUTH_FORBIDDEN. */
export async function openWebSocket(
  { origin, headers, socketPath, title }: Connection,
  { path, query = {} }: Call,
  signal: AbortSignal,
): Promise<ByteStream> {
  const url = new URL(`${origin.replace(/^http/, 'ws')}${path}`)
  for (const [name, text] of Object.entries(query)) url.searchParams.set(name, String(text))
  const socket = new WebSocket(url, {
    headers: { ...headers },
    perMessageDeflate: false,
    maxPayload: MESSAGE_MAX_BYTES,
    ...(socketPath !== undefined && { createConnection: () => connect(socketPath) }),
  })
  const stop = (): void => socket.terminate()
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await new Promise((resolve, reject) => {
      // What comes with the answer itself would be lost to anybody who listens later.
      socket.once('open', () => resolve(streamOf(socket)))
      socket.once('error', (thrown) => reject(errorOfConnection(`GET ${path}`, title, thrown)))
      socket.once('unexpected-response', (_request, answer) => {
        let text = ''
        answer.setEncoding('utf8')
        answer.on('data', (part: string) => {
          if (text.length < ERROR_TEXT_LIMIT_BYTES) text += part
        })
        answer.once('close', () => {
          reject(errorOfAnswer(`GET ${path}`, answer.statusCode ?? 0, text))
          socket.terminate()
        })
      })
    })
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

function streamOf(socket: WebSocket): ByteStream {
  const stream = createWebSocketStream(socket)
  let broken = false
  socket.once('error', () => {
    broken = true
  })
  // An error is followed by the end, which tells of it.
  stream.on('error', () => undefined)
  const closed = new Promise<WebSocketEnd>((resolve) => {
    socket.once('close', (code, reason) => {
      const endedHere = (stream.destroyed && !broken) || stream.writableFinished
      resolve({ code, reason: reason.toString(), endedHere })
    })
  })
  return { stream, closed }
}
