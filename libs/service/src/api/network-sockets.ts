import type { Server as PlainServer } from 'node:http'
import type { Server } from 'node:https'
import type { Socket } from 'node:net'

/** Connections from a network. What a closed one was cannot be seen from its addresses any more. */
const networkSockets = new WeakSet<Socket>()

/** Remembers who comes by this server. */
export function noteNetworkSockets(server: Server | PlainServer): void {
  for (const event of ['connection', 'secureConnection']) {
    server.on(event, (socket: Socket) => void networkSockets.add(socket))
  }
}

/** Whether a connection came by a network, and not by the unix socket. */
export function cameByNetwork(socket: Socket): boolean {
  return networkSockets.has(socket) || socket.remoteAddress !== undefined
}
