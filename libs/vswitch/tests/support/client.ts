/** A machine's side of DHCP, DHCPv6 and DNS, as a program: it is started inside a machine's network
 *  namespace and prints one line of JSON. `client.ts dhcp4 MAC MS`, `client.ts dhcp6 MAC MS`,
 *  `client.ts dns SERVER NAME A|AAAA|PTR`, `client.ts renew4 MAC ADDRESS COUNT`,
 *  `client.ts boot4 MAC 'ARCHITECTURE [ipxe]' MS`. */
import { createSocket, type Socket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'

const [mode = '', first = '', second = '', third = ''] = process.argv.slice(2)
const sleep = (durationMs: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, durationMs)
  })

function option4(message: Buffer, code: number): Buffer | undefined {
  for (let at = 240; at < message.length && message[at] !== 255; ) {
    const length = message[at + 1] ?? 0
    if (message[at] === code) return message.subarray(at + 2, at + 2 + length)
    at += 2 + length
  }
  return undefined
}

function message4(mac: string, transaction: number, options: readonly number[]): Buffer {
  const head = Buffer.alloc(240)
  head.set([1, 1, 6, 0])
  head.writeUInt32BE(transaction, 4)
  head.writeUInt16BE(0x8000, 10)
  head.set(Buffer.from(mac.replaceAll(':', ''), 'hex'), 28)
  head.set([0x63, 0x82, 0x53, 0x63], 236)
  return Buffer.concat([head, Buffer.from([...options, 255])])
}

async function bound(kind: 'udp4' | 'udp6', port: number): Promise<Socket> {
  const socket = createSocket({ type: kind, reuseAddr: true })
  await new Promise<void>((resolve) => {
    socket.bind(port, resolve)
  })
  if (kind === 'udp4') socket.setBroadcast(true)
  return socket
}

/** Sends until an answer fits or the time is over. */
async function ask(
  socket: Socket,
  message: Uint8Array,
  to: { readonly port: number; readonly address: string },
  fits: (answer: Buffer) => boolean,
  limitMs: number,
): Promise<Buffer | undefined> {
  let found: Buffer | undefined
  const listen = (answer: Buffer): void => {
    if (fits(answer)) found = answer
  }
  socket.on('message', listen)
  const endMs = performance.now() + limitMs
  let sentMs = Number.NEGATIVE_INFINITY
  while (found === undefined && performance.now() < endMs) {
    if (performance.now() - sentMs > 700) {
      sentMs = performance.now()
      socket.send(message, to.port, to.address)
    }
    await sleep(5)
  }
  socket.off('message', listen)
  return found
}

async function lease4(mac: string, limitMs: number): Promise<unknown> {
  const socket = await bound('udp4', 68)
  const to = { port: 67, address: '255.255.255.255' }
  const transaction = 0x5eed0001
  const kind = (answer: Buffer, wanted: number): boolean =>
    answer.readUInt32BE(4) === transaction && option4(answer, 53)?.[0] === wanted
  const wanted = [55, 6, 1, 3, 6, 12, 15, 26]
  const discover = message4(mac, transaction, [53, 1, 1, ...wanted])
  const offer = await ask(socket, discover, to, (answer) => kind(answer, 2), limitMs)
  if (offer === undefined) return null
  const address = offer.subarray(16, 20)
  const server = option4(offer, 54) ?? Buffer.alloc(4)
  const request = message4(mac, transaction, [
    ...[53, 1, 3, 50, 4, ...address],
    ...[54, 4, ...server, ...wanted],
  ])
  const answer = await ask(socket, request, to, (got) => kind(got, 5) || kind(got, 6), limitMs)
  socket.close()
  if (answer === undefined || !kind(answer, 5)) return null
  const dotted = (code: number): string | undefined => option4(answer, code)?.join('.')
  return {
    address: answer.subarray(16, 20).join('.'),
    netmask: dotted(1),
    router: dotted(3),
    dns: dotted(6),
    domain: option4(answer, 15)?.toString(),
    hostName: option4(answer, 12)?.toString(),
    mtu: option4(answer, 26)?.readUInt16BE(0),
    leaseSeconds: option4(answer, 51)?.readUInt32BE(0),
  }
}

/** What firmware of an architecture is offered to start from. */
async function boot4(mac: string, sort: string, limitMs: number): Promise<unknown> {
  const socket = await bound('udp4', 68)
  const [architecture = '', loader] = sort.split(' ')
  const transaction = 0x5eed2001
  const message = message4(mac, transaction, [
    ...[53, 1, 1, 55, 5, 1, 3, 60, 66, 67],
    ...(architecture === '' ? [] : [93, 2, 0, Number(architecture)]),
    ...(loader === 'ipxe' ? [175, 3, 1, 1, 0] : []),
  ])
  const fits = (answer: Buffer): boolean =>
    answer.readUInt32BE(4) === transaction && option4(answer, 53)?.[0] === 2
  const to = { port: 67, address: '255.255.255.255' }
  const offer = await ask(socket, message, to, fits, limitMs)
  socket.close()
  const field = offer?.subarray(108, 236)
  return {
    file:
      option4(offer ?? message, 67)
        ?.toString()
        .replace(/\0$/, '') ?? field?.toString('utf8', 0, field.indexOf(0)),
    nextServer: offer?.subarray(20, 24).join('.'),
    vendorClass: option4(offer ?? message, 60)?.toString(),
  }
}

/** Asks for the same address again and again, each once, and counts what is answered. */
async function renew4(mac: string, address: string, count: number): Promise<unknown> {
  const socket = await bound('udp4', 68)
  let answered = 0
  const bytes = address.split('.').map(Number)
  for (let round = 0; round < count; round++) {
    const transaction = 0x5eed1000 + round
    const message = message4(mac, transaction, [53, 1, 3, 50, 4, ...bytes])
    const fits = (answer: Buffer): boolean =>
      answer.readUInt32BE(4) === transaction && option4(answer, 53)?.[0] === 5
    const to = { port: 67, address: '255.255.255.255' }
    if ((await ask(socket, message, to, fits, 650)) !== undefined) answered++
  }
  socket.close()
  return { asked: count, answered }
}

const option6 = (code: number, value: Uint8Array): Buffer => {
  const head = Buffer.alloc(4)
  head.writeUInt16BE(code, 0)
  head.writeUInt16BE(value.length, 2)
  return Buffer.concat([head, value])
}

function options6(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>()
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16BE(at + 2)
    found.set(bytes.readUInt16BE(at), bytes.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return found
}

const address6 = (bytes: Buffer | undefined): string | undefined =>
  bytes &&
  Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16))
    .join(':')
    .replace(/(?:^|:)0(?::0)+(?=:|$)/, ':')

async function lease6(mac: string, limitMs: number): Promise<unknown> {
  const socket = await bound('udp6', 546)
  const to = { port: 547, address: 'ff02::1:2%eth0' }
  const link = Buffer.from(mac.replaceAll(':', ''), 'hex')
  const client = option6(1, Buffer.concat([Buffer.from([0, 3, 0, 1]), link]))
  const asked = option6(6, Buffer.from([0, 23, 0, 24, 0, 59]))
  const message = (kind: number, ...parts: readonly Buffer[]): Buffer =>
    Buffer.concat([Buffer.from([kind, 0, 0, kind]), client, option6(8, Buffer.alloc(2)), ...parts])
  const association = Buffer.concat([link.subarray(2), Buffer.alloc(8)])
  const solicit = message(1, option6(3, association), asked)
  const fits = (kind: number) => (answer: Buffer) => answer[0] === kind
  const offer = await ask(socket, solicit, to, fits(2), limitMs)
  const offered = offer && options6(offer.subarray(4))
  const given = offered?.get(3)
  const server = offered?.get(2)
  if (given === undefined || server === undefined || !options6(given.subarray(12)).has(5)) {
    return null
  }
  const request = message(3, option6(2, server), option6(3, given), asked)
  const answer = await ask(socket, request, to, fits(7), limitMs)
  socket.close()
  const options = answer && options6(answer.subarray(4))
  const bound6 = options?.get(3)
  return {
    address: address6(bound6 && options6(bound6.subarray(12)).get(5)?.subarray(0, 16)),
    dns: address6(options?.get(23)?.subarray(0, 16)),
    bootFile: options?.get(59)?.toString(),
  }
}

async function resolve(server: string, name: string, kind: string): Promise<unknown> {
  const resolver = new Resolver({ timeout: 1_500, tries: 1 })
  resolver.setServers([server])
  try {
    if (kind === 'PTR') return await resolver.reverse(name)
    return kind === 'AAAA' ? await resolver.resolve6(name) : await resolver.resolve4(name)
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code
  }
}

const answers: Readonly<Record<string, () => Promise<unknown>>> = {
  dhcp4: () => lease4(first, Number(second)),
  dhcp6: () => lease6(first, Number(second)),
  boot4: () => boot4(first, second, Number(third)),
  renew4: () => renew4(first, second, Number(third)),
  dns: () => resolve(first, second, third),
}
process.stdout.write(`${JSON.stringify((await answers[mode]?.()) ?? null)}\n`)
process.exit(0)
