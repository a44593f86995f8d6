import { chmod, chown, mkdir, readFile, unlink } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { PurlinError } from '@purlin/base'
import type { FastifyInstance } from 'fastify'
import { noteNetworkSockets } from './network-sockets.ts'
import { type UpgradeHandler, webSocketServerOptions } from './upgrade.ts'

/** Where the API listens beside its unix socket. */
export interface ListenOptions {
  readonly socket: string
  /** Group of the socket, whose mode is 0660. */
  readonly group: string
  /** On loopback; 0: not. */
  readonly tcpPort: number
  /** As that of `buildApi`. */
  readonly upgrade?: UpgradeHandler
  /** Listens elsewhere too, before the unix socket answers; what it has opened is closed with
   *  it. */
  readonly further?: ((app: FastifyInstance) => Promise<Closable>) | undefined
}

/** A server as far as it is ended here. */
export interface Closable {
  close(): unknown
  closeAllConnections(): void
}

/** Listens on the unix socket and, where it is asked for, on loopback and elsewhere.
 *  Errors: PUR_AGENT_BUSY. */
export async function listen(
  app: FastifyInstance,
  { socket, group, tcpPort, upgrade, further }: ListenOptions,
): Promise<{ readonly close: () => Promise<void> }> {
  // The ports first: an agent that cannot have them must not have answered on its socket before.
  const loopback = tcpPort === 0 ? undefined : await listenLoopback(app, tcpPort, upgrade)
  const peers = await further?.(app)
  await mkdir(dirname(socket), { recursive: true })
  await removeStaleSocket(socket)
  const before = process.umask(0o117)
  try {
    await app.listen({ path: socket })
  } finally {
    process.umask(before)
  }
  await chmod(socket, 0o660)
  const groupId = await groupIdOf(group)
  if (groupId !== undefined) await chown(socket, 0, groupId)
  return {
    close: async () => {
      loopback?.close()
      loopback?.closeAllConnections()
      peers?.close()
      peers?.closeAllConnections()
      app.server.closeAllConnections()
      await app.close()
    },
  }
}

async function listenLoopback(
  app: FastifyInstance,
  port: number,
  upgrade: UpgradeHandler | undefined,
): Promise<Server> {
  const server = createServer(upgrade ? webSocketServerOptions : {}, (request, response) =>
    app.routing(request, response),
  )
  if (upgrade) server.on('upgrade', upgrade)
  // An API that takes streams sets deadlines of its own.
  if (app.server.requestTimeout === 0) server.requestTimeout = 0
  noteNetworkSockets(server)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const message = `127.0.0.1:${port} cannot be listened on: ${cause.message}; give another api.tcpPort, or end who listens there`
      reject(new PurlinError('PUR_AGENT_BUSY', { message, cause }))
    })
    server.listen({ port, host: '127.0.0.1' }, resolve)
  })
  return server
}

async function removeStaleSocket(socket: string): Promise<void> {
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(socket)
    probe.once('connect', () => resolve(true))
    probe.once('error', () => resolve(false))
    probe.once('close', () => probe.destroy())
  })
  if (alive) {
    const message = `${socket}: another agent answers there; stop it first`
    throw new PurlinError('PUR_AGENT_BUSY', { message })
  }
  await unlink(socket).catch(() => undefined)
}

async function groupIdOf(group: string): Promise<number | undefined> {
  const lines = (await readFile('/etc/group', 'utf8').catch(() => '')).split('\n')
  const id = lines.find((line) => line.startsWith(`${group}:`))?.split(':')[2]
  return id === undefined ? undefined : Number(id)
}
