import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '@purlin/base'
import {
  type Answer,
  type Grant,
  type NodeDesk,
  type NodeReach,
  type Refusal,
  refusal,
  type ServerUrls,
} from '../desk.ts'
import type { Guard } from '../guard.ts'
import { isToken, nodeUrl, tokenSha256 } from '../token.ts'
import type { Asked } from './address.ts'
import type { BodyBudget } from './read-body.ts'
import { type Sent, sendText } from './send-file.ts'

const EVENT_LIMIT_BYTES = 16 * 1024
const MESSAGE_LIMIT_CHARACTERS = 4_096
const REPORT_LIMIT_BYTES = 4 * 1024 * 1024
/** A node is told to wait before the 30 s that it gives an answer are over. */
const ORDERS_PATIENCE_MS = 25_000
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/i
const STEP = /^[a-z][a-z-]{0,31}$/

/** What a node with a token asks for. */
export type NodeAsked = Extract<Asked, { readonly token: string }>

export interface NodeCall {
  readonly asked: NodeAsked
  readonly address: string
  /** By which of the server's two ways it came. */
  readonly serverUrl: string
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

export interface NodeCallsOptions {
  readonly desk: NodeDesk
  readonly guard: Guard
  readonly urls: ServerUrls
  readonly bodies: BodyBudget
  readonly clock: Clock
  /** A token was used from an address that is not its node's. */
  readonly onImpostor: (address: string, why: string) => void
}

/** Answers what nodes ask with the token of their boot. */
export class NodeCalls {
  readonly #options: NodeCallsOptions
  /** One call for orders a token: who asks again has lost the call before. */
  readonly #polls = new Map<string, AbortController>()

  constructor(options: NodeCallsOptions) {
    this.#options = options
  }

  /** Ends every wait for orders. */
  close(): void {
    for (const poll of this.#polls.values()) poll.abort()
  }

  async answer(call: NodeCall): Promise<Sent> {
    const { asked, response } = call
    const grant = await this.#grant(asked.token, call.address)
    if (!('tokenSha256' in grant)) return sendRefusal(response, grant)
    switch (asked.ask) {
      case 'file':
        return await this.#file(call, grant, asked.name)
      case 'event':
        return await this.#event(call, grant, asked.step)
      case 'report':
        return await this.#report(call, grant)
      case 'orders':
        return await this.#orders(call, grant)
    }
  }

  /** The grant of a token that is used where it may be, and in time. What is wrong is told in an
   *  order that says nothing of a token to who is not its node. */
  async #grant(token: string, address: string): Promise<Grant | Refusal> {
    const { desk, guard, clock, onImpostor } = this.#options
    const none = refusal(404, 'there is no such token')
    if (!isToken(token)) return none
    const sha256 = tokenSha256(token)
    const grant = desk.grantOf(sha256)
    if (grant === undefined || !isSame(grant.tokenSha256, sha256)) return none
    if (!grant.addresses.includes(address)) {
      onImpostor(address, `used the token of ${grant.node}`)
      return refusal(403, 'the token is of another node')
    }
    if (await guard.isImpostor(address)) {
      onImpostor(address, `used the token of ${grant.node} with another MAC than its own`)
      return refusal(403, 'the token is of another node')
    }
    if (clock.nowMs() >= grant.expiresAtMs) return refusal(410, 'the token of this boot ran out')
    return grant
  }

  async #file({ request, response, ...call }: NodeCall, grant: Grant, name: string): Promise<Sent> {
    const { desk } = this.#options
    if (!NAME.test(name)) return sendRefusal(response, refusal(404, 'there is no such file'))
    const file = await desk.fileOf(grant, name, this.#reach(call))
    if (!file.ok) return sendRefusal(response, file)
    // Told by a HEAD are the size and that it is there; that spends nothing.
    if (file.once && request.method !== 'HEAD' && !(await desk.spendFile(grant, name))) {
      return sendRefusal(response, refusal(410, `${name} was served before: it is served once`))
    }
    if (file.once) response.setHeader('Cache-Control', 'no-store')
    return sendBytes(response, file.content, file.contentType)
  }

  async #event({ request, response }: NodeCall, grant: Grant, step: string): Promise<Sent> {
    const { desk, bodies } = this.#options
    if (!STEP.test(step)) return sendRefusal(response, refusal(404, 'there is no such step'))
    const body = await bodies.read(request, EVENT_LIMIT_BYTES)
    if (body === undefined) return HUNG_UP
    if (!body.ok) return sendRefusal(response, body)
    const message = readMessage(body.bytes)
    if (message === null) {
      return sendRefusal(response, refusal(422, 'the body must be {"message": "TEXT"}, or nothing'))
    }
    return sendAnswer(response, await desk.onEvent(grant, step, message))
  }

  async #report({ request, response }: NodeCall, grant: Grant): Promise<Sent> {
    const { desk, bodies } = this.#options
    const body = await bodies.read(request, REPORT_LIMIT_BYTES)
    if (body === undefined) return HUNG_UP
    if (!body.ok) return sendRefusal(response, body)
    const report = readJson(body.bytes)
    if (report === undefined) return sendRefusal(response, refusal(422, 'the report is no JSON'))
    return sendAnswer(response, await desk.onReport(grant, report.value))
  }

  async #orders({ response, ...call }: NodeCall, grant: Grant): Promise<Sent> {
    const { desk, clock } = this.#options
    const poll = new AbortController()
    this.#polls.get(grant.tokenSha256)?.abort()
    this.#polls.set(grant.tokenSha256, poll)
    const hangUp = (): void => poll.abort()
    response.once('close', hangUp)
    try {
      const over = new Promise<undefined>((resolve) => {
        poll.signal.addEventListener('abort', () => resolve(undefined), { once: true })
        clock.sleep(ORDERS_PATIENCE_MS, poll.signal).then(hangUp, () => {})
      })
      const orders = desk.ordersOf(grant, poll.signal, this.#reach(call))
      // What comes after the patience is over is nobody's.
      orders.catch(() => {})
      const told = (await Promise.race([orders, over])) ?? { order: 'wait' }
      if (response.destroyed) return HUNG_UP
      if ('ok' in told) return sendRefusal(response, told)
      return sendText(response, 200, `${JSON.stringify(told)}\n`, 'application/json')
    } finally {
      response.off('close', hangUp)
      poll.abort()
      if (this.#polls.get(grant.tokenSha256) === poll) this.#polls.delete(grant.tokenSha256)
    }
  }

  #reach({ asked, serverUrl }: Pick<NodeCall, 'asked' | 'serverUrl'>): NodeReach {
    const { token } = asked
    return { token, url: nodeUrl(serverUrl, token), urls: this.#options.urls }
  }
}

/** The client went away before its answer; the number is nginx's and is only in the log. */
const HUNG_UP: Sent = { status: 499, bytes: 0 }

/** Answers no, with the reason as one line. */
export function sendRefusal(response: ServerResponse, { status, reason }: Refusal): Sent {
  return sendText(response, status, `${reason.replaceAll(/\p{Cc}+/gu, ' ')}\n`)
}

/** Answers what the desk said. */
function sendAnswer(response: ServerResponse, answer: Answer): Sent {
  return answer.ok ? sendText(response, 200, 'ok\n') : sendRefusal(response, answer)
}

function sendBytes(
  response: ServerResponse,
  content: string | Uint8Array,
  contentType = 'text/plain; charset=utf-8',
): Sent {
  const body = typeof content === 'string' ? Buffer.from(content) : content
  response.writeHead(200, { 'Content-Type': contentType, 'Content-Length': body.length })
  response.end(response.req.method === 'HEAD' ? undefined : body)
  return { status: 200, bytes: body.length }
}

function isSame(left: string, right: string): boolean {
  const [one, other] = [Buffer.from(left), Buffer.from(right)]
  return one.length === other.length && timingSafeEqual(one, other)
}

/** The message of an event's body: undefined for none, null for a body of another form. */
export function readMessage(body: Buffer): string | undefined | null {
  if (body.length === 0) return undefined
  const value = readJson(body)?.value
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  const { message } = value as { readonly message?: unknown }
  if (message === undefined) return undefined
  if (typeof message !== 'string') return null
  return message.replaceAll(/\p{Cc}+/gu, ' ').slice(0, MESSAGE_LIMIT_CHARACTERS)
}

function readJson(body: Buffer): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(body.toString('utf8')) }
  } catch {
    return undefined
  }
}
