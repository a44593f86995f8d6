/** A datagram to send from inside a service's network namespace; `bytes` is hexadecimal. */
export interface Datagram {
  readonly address: string
  readonly port: number
  readonly bytes: string
}

/** A program of its own, because a process cannot enter another network namespace and come back:
 *  it sends the datagrams of its one argument and ends. It is kept as text, so that it is there
 *  however the agent is bundled. */
const PROGRAM = `
import { createSocket } from 'node:dgram'
for (const { address, port, bytes } of JSON.parse(process.argv[1])) {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  await new Promise((resolve, reject) => {
    socket.once('error', reject)
    const sent = (error) => (error ? reject(error) : resolve())
    socket.send(Buffer.from(bytes, 'hex'), port, address, sent)
  })
  socket.close()
}
`

/** The command that sends the datagrams. */
export function speakCommand(datagrams: readonly Datagram[]): readonly string[] {
  return [
    process.execPath,
    '--input-type=module',
    '--eval',
    PROGRAM,
    '--',
    JSON.stringify(datagrams),
  ]
}
