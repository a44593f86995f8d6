/** A program of its own: it sends the datagrams of its one argument, a JSON list of
 *  `{ address, port, bytes }` with the bytes in hexadecimal, and ends. It is started inside a
 *  service's network namespace, which this process cannot enter by itself. */
import { createSocket } from 'node:dgram'

const datagrams: { address: string; port: number; bytes: string }[] = JSON.parse(
  process.argv[2] ?? '[]',
)
for (const { address, port, bytes } of datagrams) {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  await new Promise<void>((resolve, reject) => {
    socket.send(Buffer.from(bytes, 'hex'), port, address, (error) =>
      error ? reject(error) : resolve(),
    )
  })
  socket.close()
}
