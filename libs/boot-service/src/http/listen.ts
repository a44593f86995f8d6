import { createServer, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { Socket } from 'node:net'
import { PurlinError, toPurlinError } from '@purlin/base'
import type { Site } from './site.ts'

const HEADER_LIMIT_BYTES = 8 * 1024
const HEADERS_DEADLINE_MS = 10_000
/** A whole request with its body: 4 MiB over a slow link. */
const REQUEST_DEADLINE_MS = 120_000
const CHECK_INTERVAL_MS = 2_000
/** Longer than the pause between two pushes of an instance’s metrics. */
const KEEP_ALIVE_MS = 45_000
/** Nothing moves for so long, in either direction: longer than a wait for orders. */
const IDLE_MS = 60_000
const HANDSHAKE_DEADLINE_MS = 10_000
const CONNECTION_LIMIT = 2_048
const CONNECTION_LIMIT_PER_ADDRESS = 32

export interface ListenOptions {
  readonly address: string
  readonly httpPort: number
  readonly httpsPort: number
  readonly tls?: { readonly key: string; readonly certificate: string }
  readonly site: Site
  /** For tests, which cannot wait as long. */
  readonly headersDeadlineMs?: number
}

/** HTTP and HTTPS that listen. */
export interface Listening {
  readonly httpPort: number
  /** Absent: no HTTPS. */
  readonly httpsPort?: number
  close(): Promise<void>
}

/** Listens at the server's address. Headers, bodies, pauses and connections are bounded, all of
 *  them and for each address, so that one node cannot keep the others out. HTTPS is TLS 1.3: who
 *  has our CA can speak it, and loaders cannot carry a CA. Errors: PUR_BOOT_LISTEN. */
export async function listen(options: ListenOptions): Promise<Listening> {
  const { address, site, tls } = options
  const open = new Map<string, number>()
  const limits = {
    maxHeaderSize: HEADER_LIMIT_BYTES,
    headersTimeout: options.headersDeadlineMs ?? HEADERS_DEADLINE_MS,
    requestTimeout: REQUEST_DEADLINE_MS,
    connectionsCheckingInterval: Math.min(
      CHECK_INTERVAL_MS,
      options.headersDeadlineMs ?? CHECK_INTERVAL_MS,
    ),
    keepAliveTimeout: KEEP_ALIVE_MS,
    noDelay: true,
  }
  const servers: Server[] = []
  try {
    const plain = createServer(limits, (request, response) => {
      void site.answer(request, response, 'http')
    })
    servers.push(plain)
    plain.on('connection', (socket) => boundConnections(socket, open))
    const httpPort = await listenAt(plain, address, options.httpPort)
    if (tls === undefined) return { httpPort, close: () => closeAll(servers) }
    const secure = createSecureServer(
      {
        ...limits,
        key: tls.key,
        cert: tls.certificate,
        minVersion: 'TLSv1.3',
        handshakeTimeout: HANDSHAKE_DEADLINE_MS,
      },
      (request, response) => {
        void site.answer(request, response, 'https')
      },
    )
    servers.push(secure)
    // Counted before the handshake, which is what costs.
    secure.on('connection', (socket: Socket) => boundConnections(socket, open))
    const httpsPort = await listenAt(secure, address, options.httpsPort)
    return { httpPort, httpsPort, close: () => closeAll(servers) }
  } catch (thrown) {
    await closeAll(servers)
    throw thrown
  }
}

function boundConnections(socket: Socket, open: Map<string, number>): void {
  const address = socket.remoteAddress
  const count = (open.get(address ?? '') ?? 0) + 1
  if (address === undefined || count > CONNECTION_LIMIT_PER_ADDRESS) {
    socket.destroy()
    return
  }
  open.set(address, count)
  socket.once('close', () => {
    const left = (open.get(address) ?? 1) - 1
    if (left === 0) open.delete(address)
    else open.set(address, left)
  })
}

async function listenAt(server: Server, address: string, port: number): Promise<number> {
  server.maxConnections = CONNECTION_LIMIT
  server.timeout = IDLE_MS
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, address, resolve)
    })
  } catch (thrown) {
    throw new PurlinError('PUR_BOOT_LISTEN', {
      message: `listen at ${address}, port ${port}: ${toPurlinError(thrown).message}; is another program there?`,
      cause: thrown,
      context: { address, port },
    })
  }
  server.on('error', () => {})
  const bound = server.address()
  return typeof bound === 'object' && bound !== null ? bound.port : port
}

async function closeAll(servers: readonly Server[]): Promise<void> {
  await Promise.all(
    servers.map(
      (server) =>
        new Promise<void>((resolve) => {
          server.close(() => resolve())
          server.closeAllConnections()
        }),
    ),
  )
}
