/** Runs inside a machine's namespace: echoes on ports, asks other machines, floods one with new
 *  flows, and keeps long flows going. One JSON request a line on standard input, one answer a line
 *  on standard output. */
import { createSocket } from 'node:dgram'
import { connect, createServer } from 'node:net'
import { createInterface } from 'node:readline'

interface Request {
  readonly id: number
  readonly kind: 'tcp' | 'udp' | 'refusal' | 'flood' | 'stop' | 'hold' | 'begin' | 'heard'
  readonly address: string
  readonly port: number
  readonly ports?: readonly number[]
  readonly sourcePort?: number
  readonly sourceAddress?: string
  /** What a long flow is called, and whether it is TCP. */
  readonly flow?: string
  readonly stream?: boolean
}

const WAIT_MS = 700
const TCP_PORTS = [9, 22, 80, 443, 1500, 2500, 3000, 3500]
const UDP_PORTS = [54, 5353]
/** On this port the server speaks, and goes on speaking whether it is answered or not. */
const SPEAKING_PORT = 8080
const BEAT_MS = 20
const BURST = 4
let flooding = false
/** What has been heard on each long flow. */
const heard = new Map<string, number>()

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

createServer((socket) => {
  const beat = setInterval(() => socket.write('x'), BEAT_MS)
  socket.on('error', () => socket.destroy()).on('close', () => clearInterval(beat))
  socket.resume()
}).listen(SPEAKING_PORT, '::')

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

/** Begins a flow that goes on: on TCP the server speaks, on UDP each word is answered. Resolves
 *  with whether anything was heard. */
function begin({ address, port, flow = '', stream }: Request): Promise<boolean> {
  heard.set(flow, 0)
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, WAIT_MS, false)
    const hear = (): void => {
      heard.set(flow, (heard.get(flow) ?? 0) + 1)
      clearTimeout(timer)
      resolve(true)
    }
    if (stream === true) {
      connect({ host: address, port })
        .on('data', hear)
        .on('error', () => undefined)
      return
    }
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    socket.on('message', hear).on('error', () => undefined)
    setInterval(() => socket.send('x', port, address), BEAT_MS)
  })
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const request: Request = JSON.parse(line)
  const answer = (reached: boolean, count = 0): void => {
    process.stdout.write(`${JSON.stringify({ id: request.id, reached, count })}\n`)
  }
  if (request.kind === 'tcp') void askTcp(request).then((reached) => answer(reached))
  else if (request.kind === 'udp') void askUdp(request).then((reached) => answer(reached))
  else if (request.kind === 'refusal') void refusal(request).then((reached) => answer(reached))
  else if (request.kind === 'hold') void hold(request).then((reached) => answer(reached))
  else if (request.kind === 'begin') void begin(request).then((reached) => answer(reached))
  else if (request.kind === 'heard') answer(true, heard.get(request.flow ?? ''))
  else {
    flooding = request.kind === 'flood'
    flood(request)
    answer(true)
  }
})
process.stdin.on('end', () => process.exit(0))
process.stdout.write('{"ready":true}\n')
