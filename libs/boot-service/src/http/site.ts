import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { type Clock, toPurlinError } from '@purlin/base'
import { type BootRequest, type NodeDesk, refusal, type ServerUrls } from '../desk.ts'
import type { Guard } from '../guard.ts'
import { type Asked, readAddress } from './address.ts'
import { type NodeAsked, NodeCalls, sendRefusal } from './node-calls.ts'
import { BodyBudget } from './read-body.ts'
import { bootScript, chainScript, refusedScript } from './script.ts'
import { BufferPool, openServed, type Sent, sendFile, sendText } from './send-file.ts'

const METRICS_LIMIT_BYTES = 1024 * 1024

export interface SiteOptions {
  /** Name of the deployment network. */
  readonly network: string
  readonly desk: NodeDesk
  readonly guard: Guard
  readonly urls: ServerUrls
  readonly tftpFolder: string
  readonly systemFile: (name: string) => string | undefined
  readonly clock: Clock
  readonly onHostile: (address: string, why: string) => void
  readonly onAccess: (line: string) => void
  /** A fault of ours; the client is told no more than that. */
  readonly onFault: (message: string) => void
}

/** One request on its way. */
interface Visit {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly address: string
  readonly scheme: 'http' | 'https'
}

/** Answers every request of a deployment network's HTTP and HTTPS. */
export class Site {
  readonly #options: SiteOptions
  readonly #pool = new BufferPool()
  readonly #bodies = new BodyBudget()
  /** Apart, because anybody can begin to send metrics: the token is judged with the body. */
  readonly #metricsBodies = new BodyBudget()
  readonly #nodes: NodeCalls

  constructor(options: SiteOptions) {
    this.#options = options
    const { desk, guard, urls, clock, onHostile } = options
    const bodies = this.#bodies
    this.#nodes = new NodeCalls({ desk, guard, urls, bodies, clock, onImpostor: onHostile })
  }

  close(): void {
    this.#nodes.close()
  }

  /** Answers a request; never rejects. */
  async answer(
    request: IncomingMessage,
    response: ServerResponse,
    scheme: 'http' | 'https',
  ): Promise<void> {
    const { clock, onFault, onAccess } = this.#options
    const address = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '')
    const startedMs = clock.monotonicMs()
    const asked = readAddress(request.url ?? '')
    // A connection that breaks is no fault of ours.
    response.on('error', () => {})
    let sent: Sent
    try {
      sent = await this.#dispatch(asked, { request, response, address, scheme })
    } catch (thrown) {
      const { message } = toPurlinError(thrown)
      onFault(`answer ${address} for ${shownAddress(asked)}: ${message}`)
      if (response.headersSent) response.destroy()
      else sendText(response, 500, 'a fault of the server; its log says more\n')
      sent = { status: 500, bytes: 0, reason: message }
    }
    const durationMs = Math.round(clock.monotonicMs() - startedMs)
    const words = [address, scheme, request.method, shownAddress(asked), sent.status, sent.bytes]
    const why = sent.reason === undefined ? '' : `: ${sent.reason}`
    onAccess(`${words.join(' ')} ${durationMs}ms${why}`)
  }

  async #dispatch(asked: Asked, visit: Visit): Promise<Sent> {
    const { request, response, address } = visit
    if (asked.ask === 'hostile') {
      this.#options.onHostile(address, asked.why)
      return sendText(response, 400, `${asked.why}\n`)
    }
    const isPost = asked.ask === 'event' || asked.ask === 'report' || asked.ask === 'metrics'
    const methods = isPost ? ['POST'] : asked.ask === 'orders' ? ['GET'] : ['GET', 'HEAD']
    if (asked.ask !== 'nothing' && !methods.includes(request.method ?? '')) {
      response.setHeader('Allow', methods.join(', '))
      return sendText(response, 405, `only ${methods.join(' and ')} here\n`)
    }
    switch (asked.ask) {
      case 'chain':
        return sendText(response, 200, chainScript(this.#options.urls.http))
      case 'boot':
        return await this.#boot(asked, visit)
      case 'loader':
        // UEFI boots over HTTP what ipxe.efi is; everything else goes by TFTP.
        return asked.name === 'ipxe.efi'
          ? await this.#file(visit, join(this.#options.tftpFolder, asked.name))
          : notHere(response)
      case 'system':
        return await this.#file(visit, this.#options.systemFile(asked.name))
      case 'media':
      case 'image':
        return await this.#tree(asked, visit)
      case 'metrics':
        return await this.#metrics(visit)
      case 'nothing':
        return notHere(response)
      default:
        return await this.#node(asked, visit)
    }
  }

  async #node(asked: NodeAsked, { request, response, address, scheme }: Visit): Promise<Sent> {
    const { urls } = this.#options
    const serverUrl = (scheme === 'https' ? urls.https : undefined) ?? urls.http
    return await this.#nodes.answer({ asked, request, response, address, serverUrl })
  }

  async #boot(
    { mac, says }: Extract<Asked, { ask: 'boot' }>,
    { response, address }: Visit,
  ): Promise<Sent> {
    const { network, desk, guard, urls, systemFile } = this.#options
    const known = await guard.recognise(mac, address)
    if (!known.ok) {
      this.#options.onHostile(address, `asked what ${mac} boots: ${known.reason}`)
      return { ...sendText(response, 403, refusedScript(known.reason)), reason: known.reason }
    }
    const { platform, uuid, serial } = says
    const question: BootRequest = {
      network,
      mac,
      address,
      firmware: platform === 'efi' ? 'uefi' : 'bios',
      loader: 'ipxe',
      urls,
      ...(known.host !== undefined && { name: known.host.name }),
      ...(uuid !== undefined && { uuid }),
      ...(serial !== undefined && { serial }),
    }
    const decision = await desk.onBoot(question)
    const authority = systemFile('ca.cpio') !== undefined
    const script = bootScript(decision, urls.http, { authority })
    response.setHeader('Cache-Control', 'no-store')
    if (decision.boot === 'refused') {
      return { ...sendText(response, 403, script), reason: decision.reason }
    }
    return { ...sendText(response, 200, script), reason: decision.boot }
  }

  async #tree(asked: Extract<Asked, { ask: 'media' | 'image' }>, visit: Visit): Promise<Sent> {
    const { name } = asked
    const reading = await this.#options.desk.mayRead(visit.address, { tree: asked.ask, name })
    if (!reading.ok) return sendRefusal(visit.response, reading)
    return asked.ask === 'image'
      ? await this.#file(visit, reading.path)
      : await this.#file(visit, join(reading.path, ...asked.segments), reading.path)
  }

  async #file(visit: Visit, path: string | undefined, tree?: string): Promise<Sent> {
    const file = path === undefined ? undefined : await openServed(path, tree)
    if (file === undefined) return notHere(visit.response)
    return await sendFile(visit.request, visit.response, file, this.#pool)
  }

  async #metrics({ request, response, scheme }: Visit): Promise<Sent> {
    const { desk, urls } = this.#options
    if (urls.https !== undefined && scheme === 'http') {
      return sendRefusal(response, refusal(403, 'send metrics over HTTPS: a token comes with them'))
    }
    const body = await this.#metricsBodies.read(request, METRICS_LIMIT_BYTES)
    if (body === undefined) return { status: 499, bytes: 0 }
    if (!body.ok) return sendRefusal(response, body)
    const bearer = /^Bearer ([\x21-\x7e]{1,512})$/.exec(request.headers.authorization ?? '')?.[1]
    const { status, message } = await desk.onMetrics(bearer, body.bytes)
    return sendText(response, status, `${message}\n`)
  }
}

function notHere(response: ServerResponse): Sent {
  return sendText(response, 404, 'there is nothing of that name here\n')
}

/** What was asked, for logs: never a token, and no control characters. */
export function shownAddress(asked: Asked): string {
  switch (asked.ask) {
    case 'boot':
      return `/boot/${asked.mac}`
    case 'loader':
    case 'system':
    case 'image':
      return shown(`/${asked.ask}/${asked.name}`)
    case 'media':
      return shown(['/media', asked.name, ...asked.segments].join('/'))
    case 'file':
      return shown(`/node/…/file/${asked.name}`)
    case 'event':
      return shown(`/node/…/event/${asked.step}`)
    case 'report':
    case 'orders':
      return `/node/…/${asked.ask}`
    default:
      return `(${asked.ask})`
  }
}

function shown(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cs}\s]/gu, '?').slice(0, 200)
}
