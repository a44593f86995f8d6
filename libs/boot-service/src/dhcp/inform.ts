import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import type { Clock } from '@purlin/base'
import { PROBE_MAC } from './hosts.ts'
import { dhcpMessage, messageTypes, optionCodes, readDhcpAnswer } from './packet.ts'

const SERVER_PORT = 67
const CLIENT_PORT = 68

/** `unasked`: the question could not be put, which says nothing of the server. */
export type ProofOfLife = 'answered' | 'silent' | 'unasked'

/** Asks the DHCP server at our own address for options, as the probe that it knows (DHCPINFORM, RFC
 *  2131 section 4.4.3: it leases nothing). */
export async function proveLife(
  serverAddress: string,
  limitMs: number,
  clock: Clock,
): Promise<ProofOfLife> {
  const transaction = randomInt(2 ** 32)
  const message = dhcpMessage({
    transaction,
    mac: PROBE_MAC,
    address: serverAddress,
    options: [[optionCodes.messageType, [messageTypes.inform]]],
  })
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  const over = new AbortController()
  try {
    return await new Promise<ProofOfLife>((resolve) => {
      socket.on('error', () => resolve('unasked'))
      socket.on('message', (bytes) => {
        if (readDhcpAnswer(bytes)?.transaction === transaction) resolve('answered')
      })
      socket.bind({ port: CLIENT_PORT, address: serverAddress }, () => {
        socket.send(message, SERVER_PORT, serverAddress)
      })
      clock.sleep(limitMs, over.signal).then(
        () => resolve('silent'),
        () => {},
      )
    })
  } finally {
    over.abort()
    socket.close()
  }
}
