/** Sends UDP to an address at a rate of whole frames, for a while, from inside a machine:
 *  `blast.ts ADDRESS PAYLOAD_BYTES KBIT_PER_SECOND DURATION_MS`. */
import { createSocket } from 'node:dgram'

/** Ethernet, IPv4 and UDP around a payload. */
const AROUND_BYTES = 42
const [address = '', payloadBytes = '', kbitPerSecond = '', durationMs = ''] = process.argv.slice(2)
const payload = Buffer.alloc(Number(payloadBytes))
const socket = createSocket('udp4')
// An answer that nobody listens is no reason to end.
socket.on('error', () => {})
const startMs = performance.now()
let sentBytes = 0

function send(): void {
  const passedMs = performance.now() - startMs
  if (passedMs > Number(durationMs)) {
    socket.close()
    return
  }
  const dueBytes = (passedMs * Number(kbitPerSecond)) / 8
  while (sentBytes < dueBytes) {
    socket.send(payload, 9_000, address)
    sentBytes += payload.length + AROUND_BYTES
  }
  setTimeout(send, 2)
}
send()
