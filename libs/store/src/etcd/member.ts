import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { answeredFailure, MemberFailure } from './failure.ts'

/** What a client proves itself with, and whom it believes; all PEM. */
export interface EtcdCredentials {
  readonly ca: string
  readonly certificate: string
  readonly key: string
}

/** A member that does not answer a ping for so long is taken for dead, with all that hangs on
 *  it. */
const PING_EVERY_MS = 1_500
const ANSWER_LIMIT_BYTES = 512 * 1024 * 1024

/** One member of the cluster: an HTTP/2 session that carries all calls and watches at once, made
 *  when it is needed. HTTP/2, because etcd 3.4 offers nothing else in its handshake, and because a
 *  ping tells a member that hangs from one that has nothing to say. */
export class Member {
  readonly endpoint: string
  readonly #credentials: EtcdCredentials
  #link: Link | undefined

  constructor(endpoint: string, credentials: EtcdCredentials) {
    this.endpoint = endpoint
    this.#credentials = credentials
  }

  /** Calls and gives the answer's JSON. Errors: MemberFailure. */
  async call(path: string, body: unknown, signal: AbortSignal): Promise<unknown> {
    const { stream, link } = this.#open(path, body, signal)
    const chunks: Buffer[] = []
    let sizeBytes = 0
    try {
      const status = await statusOf(stream, signal)
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        sizeBytes += chunk.length
        if (sizeBytes > ANSWER_LIMIT_BYTES) throw new Error('the answer is larger than 512 MiB')
        chunks.push(chunk)
      }
      const text = Buffer.concat(chunks).toString()
      if (status !== 200) throw answeredFailure(status, text)
      return JSON.parse(text)
    } catch (thrown) {
      throw failureOf(thrown, link, signal)
    } finally {
      stream.close(constants.NGHTTP2_CANCEL)
    }
  }

  /** Calls and gives each JSON line of the answer as it comes. Errors: MemberFailure. */
  async *stream(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<unknown> {
    const { stream, link } = this.#open(path, body, signal)
    try {
      const status = await statusOf(stream, signal)
      let rest: Buffer[] = []
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        let from = 0
        for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
          rest.push(chunk.subarray(from, end))
          const line = Buffer.concat(rest).toString()
          rest = []
          from = end + 1
          if (line !== '') yield resultIn(line, status)
        }
        rest.push(chunk.subarray(from))
      }
      const line = Buffer.concat(rest).toString()
      if (line !== '') yield resultIn(line, status)
    } catch (thrown) {
      throw failureOf(thrown, link, signal)
    } finally {
      stream.close(constants.NGHTTP2_CANCEL)
    }
  }

  /** Cuts the session; what hangs on it fails. The next call makes a new one. */
  cut(reason: string): void {
    if (this.#link !== undefined) endLink(this.#link, reason)
    this.#link = undefined
  }

  #open(
    path: string,
    body: unknown,
    signal: AbortSignal,
  ): { readonly stream: ClientHttp2Stream; readonly link: Link } {
    const link = this.#connected()
    const stream = link.session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/json',
      // A member without a leader refuses at once, and ends watches that would never see a change.
      'grpc-metadata-hasleader': 'true',
    })
    // A stream of a session that does not stand yet would wait for it to be closed.
    const cancel = (): void => {
      if (stream.pending) stream.destroy()
      else stream.close(constants.NGHTTP2_CANCEL)
    }
    signal.addEventListener('abort', cancel, { once: true })
    stream.once('close', () => signal.removeEventListener('abort', cancel))
    if (signal.aborted) cancel()
    // Failures are told to whoever reads the stream.
    stream.on('error', () => {})
    stream.end(JSON.stringify(body))
    return { stream, link }
  }

  #connected(): Link {
    const standing = this.#link
    if (standing !== undefined && !standing.session.closed && !standing.session.destroyed) {
      return standing
    }
    const { ca, certificate, key } = this.#credentials
    const session = connect(this.endpoint, { ca, cert: certificate, key, minVersion: 'TLSv1.3' })
    const link: Link = { session, stood: false }
    session.on('error', () => {})
    session.once('connect', (_, socket) => {
      link.stood = true
      link.socket = socket
    })
    let answered = true
    const pulse = setInterval(() => {
      if (!link.stood) endLink(link, `no connection in ${PING_EVERY_MS} ms`)
      else if (!answered) endLink(link, `no answer to a ping in ${PING_EVERY_MS} ms`)
      else if (session.destroyed) endLink(link, 'the session has ended')
      else {
        answered = false
        session.ping(() => {
          answered = true
        })
      }
    }, PING_EVERY_MS)
    session.once('close', () => clearInterval(pulse))
    this.#link = link
    return link
  }
}

/** A session, and whether it ever stood: what was sent before that never arrived. */
interface Link {
  readonly session: ClientHttp2Session
  stood: boolean
  socket?: Socket | TLSSocket
}

/** Ends a session, and its socket: a session that Node ends at its first word, as when the member
 *  refuses the certificate, leaves the socket open, which would keep the process. */
function endLink({ session, socket }: Link, reason: string): void {
  session.destroy(new Error(reason))
  socket?.destroy()
}

function failureOf(thrown: unknown, link: Link, signal: AbortSignal): MemberFailure {
  if (thrown instanceof MemberFailure) return thrown
  const found = thrown instanceof Error ? thrown.message : String(thrown)
  const said = signal.aborted ? 'no answer in time' : found
  return new MemberFailure(said, { passing: true, undone: !link.stood, cause: thrown })
}

/** Settles with the signal in any case, whatever becomes of the stream. */
async function statusOf(stream: ClientHttp2Stream, signal: AbortSignal): Promise<number> {
  return await new Promise<number>((resolve, reject) => {
    const aborted = (): void => reject(new Error('no answer in time'))
    signal.addEventListener('abort', aborted, { once: true })
    stream.once('response', (headers) => resolve(Number(headers[':status'])))
    stream.once('error', reject)
    stream.once('close', () => {
      signal.removeEventListener('abort', aborted)
      reject(new Error('the connection was cut'))
    })
    if (signal.aborted) aborted()
  })
}

function resultIn(line: string, status: number): unknown {
  const { result } = JSON.parse(line) as { result?: unknown }
  if (result === undefined || status !== 200) throw answeredFailure(status, line)
  return result
}
