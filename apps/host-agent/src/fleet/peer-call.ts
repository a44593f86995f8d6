import { createHash, X509Certificate } from 'node:crypto'
import { request } from 'node:https'
import { type ErrorCode, errorEntry, PurlinError, withDeadline } from '@purlin/base'

const DEADLINE_MS = 20_000
const ANSWER_LIMIT_BYTES = 1024 * 1024

export interface PeerCall {
  /** `https://HOST:PORT` */
  readonly server: string
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: unknown
  /** Whom to believe; absent: nobody is asked who they are, for what is checked otherwise. */
  readonly ca?: string
  readonly signal?: AbortSignal
}

/** Calls the agent of another host. Errors: that agent's own, PUR_AGENT_UNREACHABLE,
 *  PUR_DEADLINE_PASSED. */
export async function callPeer(call: PeerCall): Promise<unknown> {
  const what = `${call.method} ${call.server}${call.path}`
  const asked = (signal: AbortSignal) => send(call, signal)
  const { status, text } = await withDeadline(what, DEADLINE_MS, asked, call.signal)
  const answer = parsed(text)
  if (status === 200) return answer
  const { code, detail } = (answer ?? {}) as { code?: string; detail?: string }
  const known = code !== undefined && errorEntry(code) !== undefined
  throw new PurlinError(known ? (code as ErrorCode) : 'PUR_AGENT_UNREACHABLE', {
    message: `${call.server}: ${detail ?? `answered with status ${status}`}`,
  })
}

/** SHA-256 of a PEM certificate's bytes, in hexadecimal digits. */
export function certificateHash(pem: string): string {
  return createHash('sha256').update(new X509Certificate(pem).raw).digest('hex')
}

async function send(
  { server, method, path, body, ca }: PeerCall,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  return await new Promise((resolve, reject) => {
    const failed = (cause: Error): void =>
      reject(
        new PurlinError('PUR_AGENT_UNREACHABLE', {
          message: `${server}: no agent answers: ${cause.message}; see that it runs and listens there`,
          cause,
        }),
      )
    const headers = body === undefined ? {} : { 'content-type': 'application/json' }
    const trust = ca === undefined ? { rejectUnauthorized: false } : { ca }
    const options = {
      method,
      headers,
      signal,
      minVersion: 'TLSv1.3',
      agent: false,
      ...trust,
    } as const
    const sent = request(new URL(path, server), options, (response) => {
      const chunks: Buffer[] = []
      let sizeBytes = 0
      response.on('data', (chunk: Buffer) => {
        sizeBytes += chunk.length
        if (sizeBytes > ANSWER_LIMIT_BYTES) sent.destroy(new Error('the answer has no end'))
        else chunks.push(chunk)
      })
      response.once('error', failed)
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
      )
    })
    sent.once('error', failed)
    sent.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
