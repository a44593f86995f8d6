import type { IncomingMessage } from 'node:http'
import { type Refusal, refusal } from '../desk.ts'

/** What all bodies that are on their way may hold together. */
const BUDGET_BYTES = 64 * 1024 * 1024

export type Body = { readonly ok: true; readonly bytes: Buffer } | Refusal

/** Room for bodies: what is promised to requests on their way. */
export class BodyBudget {
  readonly #limitBytes: number
  #promisedBytes = 0

  constructor(limitBytes = BUDGET_BYTES) {
    this.#limitBytes = limitBytes
  }

  /** Reads a body of at most `limitBytes`: 413 where it is longer, 415 where it is compressed, 503
   *  where too many are on their way. Undefined when the client went away. */
  async read(request: IncomingMessage, limitBytes: number): Promise<Body | undefined> {
    if (request.headers['content-encoding'] !== undefined) {
      return refusal(415, 'send the body as it is, not compressed')
    }
    const named = request.headers['content-length']
    const promisedBytes = named === undefined ? limitBytes : Number(named)
    if (promisedBytes > limitBytes) return refusal(413, `at most ${limitBytes} bytes are taken`)
    if (this.#promisedBytes + promisedBytes > this.#limitBytes) {
      return refusal(503, 'too many are sending: come again')
    }
    this.#promisedBytes += promisedBytes
    try {
      return await readWhole(request, limitBytes)
    } finally {
      this.#promisedBytes -= promisedBytes
    }
  }
}

/** By hand, because an iterator that is left early takes the connection with it, and the answer.
 *  What is too long is read on and thrown away, until the request's deadline: a connection that is
 *  closed with unread bytes loses the answer too. */
async function readWhole(request: IncomingMessage, limitBytes: number): Promise<Body | undefined> {
  const parts: Buffer[] = []
  let lengthBytes = 0
  return await new Promise((resolve) => {
    request.on('data', (part: Buffer) => {
      lengthBytes += part.length
      if (lengthBytes <= limitBytes) {
        parts.push(part)
        return
      }
      parts.length = 0
      resolve(refusal(413, `at most ${limitBytes} bytes are taken`))
    })
    request.once('end', () => resolve({ ok: true, bytes: Buffer.concat(parts) }))
    request.once('close', () => resolve(undefined))
    request.once('error', () => resolve(undefined))
  })
}
