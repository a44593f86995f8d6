import { randomInt } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { type Clock, PurlinError, toPurlinError } from '@purlin/base'
import { dhcpMessage, messageTypes, optionCodes, readDhcpAnswer } from '../dhcp/packet.ts'
import type { ForeignServer } from './foreign-server.ts'

const SERVER_PORT = 67
const CLIENT_PORT = 68
const EVERYBODY = '255.255.255.255'
const TRIES = 3
/** Servers may first look for three seconds whether an address is taken. */
const WAIT_MS = 1_400
/** An answer is remembered by its server; a network of liars cannot fill the memory. */
const SERVER_LIMIT = 64
const VENDOR_CLASS = [...Buffer.from('PXEClient:Arch:00000:UNDI:002001')]

/** A MAC that no machine has: of local administration, the rest by chance. */
export function probeMac(): string {
  const bytes = Array.from({ length: 5 }, () => randomInt(256).toString(16).padStart(2, '0'))
  return `02:${bytes.join(':')}`
}

/** Asks the network for an address as a stranger that boots over the network, three times, and
 *  answers who offered one, or a file to boot, and is not ours. Two sockets of the kernel's own do
 *  it: one bound to our address, by which a limited broadcast leaves by that address's interface
 *  and no other (ip(7)), and one bound to the broadcast address, where the answers come. It leases
 *  nothing. Errors: PUR_BOOT_DHCP where the client's port cannot be had. */
export async function probeForeignServers(
  serverAddress: string,
  mac: string,
  clock: Clock,
  signal?: AbortSignal,
): Promise<readonly ForeignServer[]> {
  const transaction = randomInt(2 ** 32)
  const message = dhcpMessage({
    transaction,
    mac,
    options: [
      [optionCodes.messageType, [messageTypes.discover]],
      [optionCodes.vendorClass, VENDOR_CLASS],
      [optionCodes.clientArchitecture, [0, 0]],
      [optionCodes.parameters, [1, 3, 43, 54, 60, 66, 67]],
    ],
  })
  const found = new Map<string, ForeignServer>()
  const onMessage = (bytes: Buffer, from: { readonly address: string }): void => {
    const answer = readDhcpAnswer(bytes)
    if (answer?.transaction !== transaction || answer.mac !== mac) return
    if (answer.kind !== messageTypes.offer) return
    const server = answer.server ?? from.address
    if (server === serverAddress || found.size >= SERVER_LIMIT) return
    const { offered, bootFile } = answer
    found.set(server, { server, offered, ...(bootFile !== undefined && { bootFile }) })
  }
  const sockets: Socket[] = []
  try {
    const sender = await boundSocket(serverAddress, sockets, onMessage)
    await boundSocket(EVERYBODY, sockets, onMessage)
    sender.setBroadcast(true)
    for (let tries = 0; tries < TRIES; tries++) {
      sender.send(message, SERVER_PORT, EVERYBODY)
      await clock.sleep(WAIT_MS, signal)
    }
  } catch (thrown) {
    throw new PurlinError('PUR_BOOT_DHCP', {
      message: `look for other DHCP servers from ${serverAddress}, port ${CLIENT_PORT}: ${toPurlinError(thrown).message}`,
      cause: thrown,
    })
  } finally {
    for (const socket of sockets) socket.close()
  }
  return [...found.values()].sort((a, b) => a.server.localeCompare(b.server))
}

async function boundSocket(
  address: string,
  sockets: Socket[],
  onMessage: (bytes: Buffer, from: { readonly address: string }) => void,
): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  sockets.push(socket)
  socket.on('message', onMessage)
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind({ port: CLIENT_PORT, address }, resolve)
  })
  // An error of a later send says nothing of who answers.
  socket.removeAllListeners('error')
  socket.on('error', () => {})
  return socket
}
