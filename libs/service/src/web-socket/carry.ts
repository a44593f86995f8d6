import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Clock, PurlinError } from '@purlin/base'
import { WebSocket, WebSocketServer } from 'ws'

/** A WebSocket and a line of bytes, such as a process's socket, that are carried to each other. */
export interface Carried {
  /** Resolves once, when the WebSocket is closed; the line is destroyed by then. */
  readonly ended: Promise<CarriedEnd>
  /** Ends it with a code of RFC 6455, 7.4 and a reason of at most 123 bytes, longer ones are cut. A
   *  viewer that does not take its end within `withinMs` is hung up on. */
  end(code: number, reason: string, withinMs?: number): void
}

export interface CarriedEnd {
  /** The viewer hung up, the line ended, nobody was heard of for a minute, or it was `end`. */
  readonly by: 'viewer' | 'line' | 'silence' | 'us'
  readonly bytesToViewer: number
  readonly bytesFromViewer: number
}

export interface CarryOptions {
  readonly clock: Clock
  /** Bytes that the viewer gets before those of the line. */
  readonly first?: Uint8Array
  /** What the viewer is told when the line ends. */
  readonly lineEnd: () => Promise<{ readonly code: number; readonly reason: string }>
  /** What it is told, if it still can hear, when nothing was heard of it. */
  readonly silenceCode: number
}

/** What waits for a viewer, at most, before its line is no longer read; and when it is again. */
const WAITING_MAX_BYTES = 262_144
const WAITING_LOW_BYTES = 65_536
/** One message of a viewer. */
const MESSAGE_MAX_BYTES = 1_048_576
const PING_EVERY_MS = 20_000
const PINGS_UNANSWERED_MAX = 3
const FAREWELL_MS = 5_000
/** What a close frame can carry beside its code (RFC 6455, 5.5). */
const REASON_MAX_BYTES = 123

const acceptor = new WebSocketServer({
  noServer: true,
  clientTracking: false,
  // The guest's text beside the user's, compressed together, would tell on each other (CRIME).
  perMessageDeflate: false,
  maxPayload: MESSAGE_MAX_BYTES,
  // Older viewers of RFB ask for it by this name and hang up without it.
  handleProtocols: (offered) => (offered.has('binary') ? 'binary' : false),
})

/** Answers a request that asked to be a WebSocket and carries binary messages and `line` to each
 *  other until either ends; neither is read faster than the other takes it. A request that is no
 *  proper one is answered with its error, and the line destroyed. Errors: PUR_CANCELLED where the
 *  viewer went before it was answered. */
export async function carryWebSocket(
  { request, socket, head }: UpgradedRequest,
  line: Duplex,
  options: CarryOptions,
): Promise<Carried> {
  const accepted = Promise.withResolvers<WebSocket>()
  const gone = (): void => {
    const message = 'the viewer hung up before its WebSocket was open'
    accepted.reject(new PurlinError('PUR_CANCELLED', { message }))
  }
  socket.once('close', gone)
  acceptor.handleUpgrade(request, socket, head, accepted.resolve)
  try {
    return carry(await accepted.promise, line, options)
  } catch (thrown) {
    line.destroy()
    throw thrown
  } finally {
    socket.off('close', gone)
  }
}

/** What a server hands on when a connection asks to be a WebSocket. */
export interface UpgradedRequest {
  readonly request: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
}

function carry(viewer: WebSocket, line: Duplex, options: CarryOptions): Carried {
  const { clock, first, lineEnd, silenceCode } = options
  const closed = Promise.withResolvers<CarriedEnd>()
  const over = new AbortController()
  let by: CarriedEnd['by'] = 'viewer'
  let bytesToViewer = 0
  let bytesFromViewer = 0
  let heard = true

  const sent = (): void => {
    if (line.isPaused() && viewer.bufferedAmount <= WAITING_LOW_BYTES) line.resume()
  }
  const toViewer = (chunk: Uint8Array): void => {
    if (viewer.readyState !== WebSocket.OPEN) return
    bytesToViewer += chunk.length
    viewer.send(chunk, { binary: true }, sent)
    if (viewer.bufferedAmount > WAITING_MAX_BYTES) line.pause()
  }
  const end = (who: CarriedEnd['by'], code: number, reason: string, withinMs: number): void => {
    if (viewer.readyState !== WebSocket.OPEN) return
    by = who
    // The answer to our farewell would not be read while the line is too slow for the viewer.
    viewer.resume()
    viewer.close(code, cut(reason))
    line.destroy()
    clock.sleep(withinMs, over.signal).then(
      () => viewer.terminate(),
      () => undefined,
    )
  }
  const hear = async (): Promise<void> => {
    for (let unanswered = 0; ; ) {
      await clock.sleep(PING_EVERY_MS, over.signal)
      // A viewer that is not read cannot be heard.
      unanswered = heard || viewer.isPaused ? 0 : unanswered + 1
      if (unanswered >= PINGS_UNANSWERED_MAX) {
        end('silence', silenceCode, 'nothing was heard of the viewer', 0)
        return
      }
      heard = false
      viewer.ping()
    }
  }

  viewer.on('pong', () => {
    heard = true
  })
  viewer.on('message', (message: Buffer) => {
    heard = true
    bytesFromViewer += message.length
    if (!line.destroyed && !line.write(message)) viewer.pause()
  })
  // Every error is followed by the end of the connection.
  viewer.on('error', () => undefined)
  viewer.once('close', () => {
    over.abort()
    line.destroy()
    closed.resolve({ by, bytesToViewer, bytesFromViewer })
  })
  line.on('drain', () => viewer.resume())
  line.on('error', () => undefined)
  const lineClosed = (): void => {
    if (viewer.readyState !== WebSocket.OPEN) return
    lineEnd().then(
      ({ code, reason }) => end('line', code, reason, FAREWELL_MS),
      () => end('line', INTERNAL_ERROR, 'the line ended', FAREWELL_MS),
    )
  }
  if (line.closed) lineClosed()
  else line.once('close', lineClosed)
  if (first !== undefined && first.length > 0) toViewer(first)
  line.on('data', toViewer)
  hear().catch(() => undefined)
  return {
    ended: closed.promise,
    end: (code, reason, withinMs = FAREWELL_MS) => end('us', code, reason, withinMs),
  }
}

const INTERNAL_ERROR = 1011

/** Cuts at a whole character. */
function cut(reason: string): Buffer {
  const bytes = Buffer.from(reason)
  if (bytes.length <= REASON_MAX_BYTES) return bytes
  let length = REASON_MAX_BYTES
  while (((bytes[length] ?? 0) & 0xc0) === 0x80) length--
  return bytes.subarray(0, length)
}
