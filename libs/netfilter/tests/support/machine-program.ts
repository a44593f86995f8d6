/** Runs inside a machine's namespace: echoes on ports, asks other machines, and floods one with new
 *  flows. One JSON request a line on standard input, one answer a line on standard output. */
import { createSocket } from 'node:dgram'
import { connect, createServer } from 'node:net'
import { createInterface } from 'node:readline'

interface Request {
  readonly id: number
  readonly kind: 'tcp' | 'udp' | 'refusal' | 'flood' | 'stop' | 'hold'
  readonly address: string
  readonly port: number
  readonly ports?: readonly number[]
  readonly sourcePort?: number
  readonly sourceAddress?: string
}

const WAIT_MS = 700
const TCP_PORTS = [9, 22, 80, 443, 1500, 2500, 3000, 3500]
const UDP_PORTS = [54, 5353]
const BURST = 4
let flooding = false

for (const port of TCP_PORTS) {
  createServer((socket) => socket.on('error', () => socket.destroy()).pipe(socket)).listen(
    port,
    '::',
  )
}
for (const port of UDP_PORTS) {
  const socket = createSocket({ type: 'udp6', ipv6Only: false })
  socket.on('message', (message, from) => socket.send(message, from.port, from.address))
  socket.bind(port, '::')
}

function askTcp({ address, port }: Request): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port })
    const end = (reached: boolean): void => {
      socket.destroy()
      resolve(reached)
    }
    socket.setTimeout(WAIT_MS, () => end(false))
    socket.on('error', () => end(false))
    socket.on('connect', () => socket.write('x'))
    socket.on('data', () => end(true))
  })
}

function askUdp({ address, port, sourcePort, sourceAddress }: Request): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    const end = (reached: boolean): void => {
      clearTimeout(timer)
      socket.close()
      resolve(reached)
    }
    const timer = setTimeout(() => end(false), WAIT_MS)
    socket.on('error', () => end(false))
    socket.on('message', () => end(true))
    socket.bind(sourcePort ?? 0, sourceAddress, () => socket.send('x', port, address))
  })
}

/** Sends to a closed port and waits for the ICMP error that says so. */
function refusal({ address, port }: Request): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    const end = (refused: boolean): void => {
      clearTimeout(timer)
      socket.close()
      resolve(refused)
    }
    const timer = setTimeout(() => end(false), WAIT_MS)
    socket.on('error', () => end(true))
    socket.connect(port, address, () => socket.send('x'))
  })
}

/** Sends to each port from new source ports until told to stop: every packet is a new flow. */
function flood(request: Request): void {
  if (!flooding) return
  const burst = Array.from({ length: BURST }, () => request.ports ?? []).flat()
  for (const port of burst) {
    const socket = createSocket('udp4')
    socket.on('error', () => undefined)
    socket.send('x', port, request.address, () => socket.close())
  }
  setTimeout(flood, 1, request)
}

/** Keeps a connection open and says how often it was answered in half a second. */
function hold({ address, port }: Request): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port })
    let answers = 0
    socket.on('error', () => undefined)
    socket.on('data', () => {
      answers++
      setTimeout(() => socket.write('x'), 50)
    })
    socket.on('connect', () => socket.write('x'))
    setTimeout(() => {
      socket.destroy()
      resolve(answers > 3)
    }, WAIT_MS)
  })
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const request: Request = JSON.parse(line)
  const answer = (reached: boolean): void => {
    process.stdout.write(`${JSON.stringify({ id: request.id, reached })}\n`)
  }
  if (request.kind === 'tcp') void askTcp(request).then(answer)
  else if (request.kind === 'udp') void askUdp(request).then(answer)
  else if (request.kind === 'refusal') void refusal(request).then(answer)
  else if (request.kind === 'hold') void hold(request).then(answer)
  else {
    flooding = request.kind === 'flood'
    flood(request)
    answer(true)
  }
})
process.stdin.on('end', () => process.exit(0))
process.stdout.write('{"ready":true}\n')
