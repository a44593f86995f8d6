/** Many machines that ask one DHCP server at once, as a program: `dhcp-load.ts JSON`. They share
 *  one socket and are told apart by MAC and transaction; every request asks for a broadcast answer.
 *  It prints one line of JSON: how much was asked, what came back and from which servers, what was
 *  lost (no answer to a packet that was sent once) and what was wrong (another address than the
 *  machine's own). */
import { createSocket } from 'node:dgram'

interface Load {
  readonly machines: readonly { readonly mac: string; readonly address: string }[]
  /** How many wait for an answer at once. */
  readonly slots: number
  readonly durationMs: number
  /** After this a packet counts as lost. */
  readonly patienceMs: number
}

const load: Load = JSON.parse(process.argv[2] ?? '{}')
const [DISCOVER, OFFER, REQUEST, ACKNOWLEDGED] = [1, 2, 3, 5]
const COOKIE = [0x63, 0x82, 0x53, 0x63]

function optionOf(message: Buffer, code: number): Buffer | undefined {
  for (let at = 240; at < message.length && message[at] !== 255; ) {
    const length = message[at + 1] ?? 0
    if (message[at] === code) return message.subarray(at + 2, at + 2 + length)
    at += 2 + length
  }
  return undefined
}

function messageOf(mac: string, transaction: number, options: readonly number[]): Buffer {
  const message = Buffer.alloc(Math.max(300, 241 + options.length))
  message.set([1, 1, 6, 0])
  message.writeUInt32BE(transaction, 4)
  message.writeUInt16BE(0x8000, 10)
  message.set(Buffer.from(mac.replaceAll(':', ''), 'hex'), 28)
  message.set([...COOKIE, ...options, 255], 236)
  return message
}

const socket = createSocket({ type: 'udp4', reuseAddr: true, recvBufferSize: 4 * 1024 * 1024 })
await new Promise<void>((resolve) => {
  socket.bind(68, resolve)
})
socket.setBroadcast(true)

const waiting = new Map<number, (message: Buffer) => void>()
const servers = new Set<string>()
socket.on('message', (message) => {
  servers.add(optionOf(message, 54)?.join('.') ?? 'nobody')
  waiting.get(message.readUInt32BE(4))?.(message)
})
let lastTransaction = 0x1000_0000

/** One packet, sent once; undefined where nothing came back in time. */
async function exchange(
  mac: string,
  options: readonly number[],
  kind: number,
): Promise<Buffer | undefined> {
  const transaction = ++lastTransaction
  return await new Promise((resolve) => {
    const over = (message?: Buffer): void => {
      clearTimeout(timer)
      waiting.delete(transaction)
      resolve(message)
    }
    const timer = setTimeout(over, load.patienceMs)
    waiting.set(transaction, (message) => {
      if (optionOf(message, 53)?.[0] === kind) over(message)
    })
    socket.send(messageOf(mac, transaction, options), 67, '255.255.255.255')
  })
}

const counts = { asked: 0, answered: 0, lost: 0, wrong: 0 }
const latenciesMs: number[] = []
const startMs = performance.now()
const endMs = startMs + load.durationMs
let next = 0

async function once(mac: string, address: string): Promise<void> {
  let options: readonly number[] = [53, 1, DISCOVER]
  for (const kind of [OFFER, ACKNOWLEDGED]) {
    counts.asked++
    const sentMs = performance.now()
    const answer = await exchange(mac, options, kind)
    if (answer === undefined) {
      counts.lost++
      return
    }
    latenciesMs.push(performance.now() - sentMs)
    counts.answered++
    const given = answer.subarray(16, 20)
    if (given.join('.') !== address) counts.wrong++
    const server = optionOf(answer, 54) ?? Buffer.alloc(4)
    options = [53, 1, REQUEST, 50, 4, ...given, 54, 4, ...server]
  }
}

await Promise.all(
  Array.from({ length: load.slots }, async () => {
    while (performance.now() < endMs) {
      const machine = load.machines[next++ % load.machines.length]
      if (machine !== undefined) await once(machine.mac, machine.address)
    }
  }),
)
const seconds = (performance.now() - startMs) / 1_000
latenciesMs.sort((a, b) => a - b)
const figures = {
  ...counts,
  servers: [...servers].sort(),
  perSecond: Math.round(counts.answered / seconds),
  p50Ms: latenciesMs[Math.floor(latenciesMs.length / 2)] ?? 0,
  p99Ms: latenciesMs[Math.floor(latenciesMs.length * 0.99)] ?? 0,
}
process.stdout.write(`${JSON.stringify(figures)}\n`)
process.exit(0)
