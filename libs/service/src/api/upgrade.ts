import { type IncomingMessage, type ServerOptions, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { PurlinError } from '@purlin/base'

/** Takes a connection whose request asked to be a WebSocket; what came behind the request is in
 *  `head`. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** Options of a server whose connections may become WebSockets. A request for another protocol,
 *  such as HTTP/2, is answered as if it had not asked, which RFC 9110, 7.8 allows. */
export const webSocketServerOptions = {
  shouldUpgradeCallback: ({ headers }: IncomingMessage) =>
    headers.upgrade?.toLowerCase() === 'websocket',
} satisfies ServerOptions

/** Answers a request that asked to be a WebSocket with an error instead, and hangs up. */
export function refuseUpgrade(socket: Duplex, error: PurlinError): void {
  const problem = error.toProblem()
  const body = Buffer.from(JSON.stringify(problem))
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}`,
    'content-type: application/problem+json',
    `content-length: ${body.length}`,
    'cache-control: no-store',
    'connection: close',
  ]
  socket.on('error', () => socket.destroy())
  socket.end(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]))
}
