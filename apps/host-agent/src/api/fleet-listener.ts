import { createServer, type Server } from 'node:https'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { PurlinError } from '@purlin/base'
import { noteNetworkSockets, type UpgradeHandler, webSocketServerOptions } from '@purlin/service'
import type { FastifyInstance } from 'fastify'

/** Where other hosts reach this one, and how it proves itself to them. All PEM. */
export interface FleetListener {
  /** `ADDRESS:PORT` */
  readonly listen: string
  readonly ca: string
  readonly certificate: string
  readonly key: string
  /** Takes connections that ask to be WebSockets. */
  readonly upgrade?: UpgradeHandler
}

/** Listens for other hosts. Who has no certificate is let through to the calls that ask for none,
 *  and to those that a token opens. Errors: PUR_AGENT_BUSY. */
export async function listenForHosts(
  app: FastifyInstance,
  { listen, ca, certificate, key, upgrade }: FleetListener,
): Promise<Server> {
  const at = listen.lastIndexOf(':')
  const host = listen.slice(0, at).replace(/^\[|\]$/g, '')
  const server = createServer(
    {
      key,
      cert: certificate,
      ca,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
      ...(upgrade && webSocketServerOptions),
    },
    (request, response) => app.routing(request, response),
  )
  if (upgrade) server.on('upgrade', upgrade)
  noteNetworkSockets(server)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const message = `${listen} cannot be listened on: ${cause.message}; give another fleet.listen, or end who listens there`
      reject(new PurlinError('PUR_AGENT_BUSY', { message, cause }))
    })
    server.listen({ host, port: Number(listen.slice(at + 1)) }, resolve)
  })
  return server
}

/** SHA-256 of the certificate by which the other end has proved itself; undefined without one of
 *  the fleet's authority. */
export function provenFingerprint(socket: Socket): string | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined
  return socket.getPeerX509Certificate()?.fingerprint256
}
