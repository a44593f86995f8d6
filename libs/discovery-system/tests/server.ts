import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/** Bytes of a slow file between two pauses. */
const SLOW_CHUNK_BYTES = 64 * 1024
const SLOW_PAUSE_MS = 200
/** How long a question for orders waits before it is told to wait. */
const ORDERS_WAIT_MS = 1_000

export interface NodeEvent {
  readonly step: string
  readonly message: string | undefined
}

/** A deployment server for one node: it keeps what the node says and gives the orders of a test. */
export class DeploymentServer {
  readonly reports: unknown[] = []
  readonly events: NodeEvent[] = []
  readonly files = new Map<string, Buffer>()
  /** Files that are sent so slowly that a test can act meanwhile. */
  readonly slow = new Set<string>()
  /** The server's end of the connection is cut after so many bytes of a file, once. */
  readonly cutAfterBytes = new Map<string, number>()
  /** How the next reports are answered although they arrived whole: not at all, or with 503. */
  readonly lostReports: ('cut' | 'unavailable')[] = []
  /** Steps that are answered with 409. */
  readonly refused = new Set<string>()
  readonly ranges: string[] = []
  /** Bytes of slow files that were sent. */
  slowBytes = 0
  readonly #orders: unknown[] = []
  readonly #server: Server
  #port = 0

  constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const range = request.headers.range
        void this.#answer(request.url ?? '', range, Buffer.concat(chunks).toString(), response)
      })
    })
  }

  async listen(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** As a guest behind QEMU's own network reaches it. */
  get nodeUrl(): string {
    return `http://10.0.2.2:${this.#port}/node/token-of-a-test`
  }

  fileUrl(name: string): string {
    return `${this.nodeUrl}/file/${name}`
  }

  order(order: unknown): void {
    this.#orders.push(order)
  }

  /** Waits for an event that the node has not told before `after`; its place among the events. */
  async waitFor(steps: readonly string[], after: number, signal: AbortSignal): Promise<number> {
    for (;;) {
      const found = this.events.findIndex(({ step }, at) => at >= after && steps.includes(step))
      if (found >= 0) return found
      signal.throwIfAborted()
      await pause(50)
    }
  }

  /** Ends as a process that is killed: no connection, nobody who listens. It may listen again. */
  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  async #answer(
    url: string,
    range: string | undefined,
    body: string,
    response: ServerResponse,
  ): Promise<void> {
    const [, , , verb = '', name = ''] = url.split('/')
    if (verb === 'report') {
      this.reports.push(JSON.parse(body))
      const lost = this.lostReports.shift()
      if (lost === 'cut') response.destroy()
      if (lost === 'unavailable') response.writeHead(503).end('starting')
      if (lost !== undefined) return
    }
    if (verb === 'event') {
      if (this.refused.has(name)) {
        response.writeHead(409).end('not expected now')
        return
      }
      const told = body === '' ? {} : (JSON.parse(body) as { message?: string })
      this.events.push({ step: name, message: told.message })
    }
    if (verb === 'orders') {
      if (this.#orders.length === 0) await pause(ORDERS_WAIT_MS)
      response.end(JSON.stringify(this.#orders.shift() ?? { order: 'wait' }))
      return
    }
    if (verb === 'file') await this.#send(name, range, response)
    else response.end()
  }

  async #send(name: string, range: string | undefined, response: ServerResponse): Promise<void> {
    const content = this.files.get(name)
    if (content === undefined) {
      response.writeHead(404).end()
      return
    }
    const start = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0)
    if (range !== undefined) this.ranges.push(range)
    const rest = content.subarray(start)
    response.writeHead(range === undefined ? 200 : 206, { 'content-length': rest.length })
    const cut = this.cutAfterBytes.get(name)
    if (cut !== undefined) {
      this.cutAfterBytes.delete(name)
      response.write(rest.subarray(0, cut), () => response.destroy())
      return
    }
    if (!this.slow.has(name)) {
      response.end(rest)
      return
    }
    for (let at = 0; at < rest.length && !response.destroyed; at += SLOW_CHUNK_BYTES) {
      response.write(rest.subarray(at, at + SLOW_CHUNK_BYTES))
      this.slowBytes += SLOW_CHUNK_BYTES
      await pause(SLOW_PAUSE_MS)
    }
    response.end()
  }
}
