/** A machine's side of DHCP and TFTP, as a program inside its network namespace: `client.ts ask
 *  JSON` prints what each question was told, `client.ts serve SERVER ADDRESS` is a DHCP server. */
import { createHash } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'

/** `lease`: DISCOVER and REQUEST. `discover`: an offer alone. `strangers`: so many DISCOVERs of
 *  machines nobody knows, and between them those of `mac`. `tftp`: fetches a file. */
export type Question =
  | {
      readonly ask: 'lease' | 'discover'
      readonly mac: string
      readonly architecture?: number
      readonly isIpxe?: boolean
      readonly limitMs: number
    }
  | {
      readonly ask: 'strangers'
      readonly count: number
      readonly mac: string
      readonly limitMs: number
    }
  | { readonly ask: 'tftp'; readonly server: string; readonly file: string }

/** What came of a question; fields that it does not have are absent. */
export interface Told {
  readonly address?: string
  readonly file?: string
  readonly vendorClass?: string
  readonly router?: string
  readonly nameServer?: string
  /** Of strangers: answers that they got, answers that the known machine got, and was to get. */
  readonly offers?: number
  readonly knownAnswered?: number
  readonly knownAsked?: number
  readonly sha256?: string
  readonly error?: string
}

const EVERYBODY = { port: 67, address: '255.255.255.255' }
const [DISCOVER, OFFER, REQUEST, ACKNOWLEDGED] = [1, 2, 3, 5]
const BATCH = 100

function optionOf(message: Buffer, code: number): Buffer | undefined {
  for (let at = 240; at < message.length && message[at] !== 255; ) {
    if (message[at] === 0) {
      at++
      continue
    }
    const length = message[at + 1] ?? 0
    if (message[at] === code) return message.subarray(at + 2, at + 2 + length)
    at += 2 + length
  }
  return undefined
}

function messageOf(
  operation: number,
  mac: string,
  transaction: number,
  options: readonly number[],
): Buffer {
  const message = Buffer.alloc(Math.max(300, 241 + options.length))
  message.set([operation, 1, 6, 0])
  message.writeUInt32BE(transaction, 4)
  message.writeUInt16BE(0x8000, 10)
  message.set(Buffer.from(mac.replaceAll(':', ''), 'hex'), 28)
  message.set([0x63, 0x82, 0x53, 0x63, ...options, 255], 236)
  return message
}

async function bound(port: number): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true, recvBufferSize: 4 * 1024 * 1024 })
  await new Promise<void>((resolve) => {
    socket.bind(port, resolve)
  })
  socket.setBroadcast(true)
  return socket
}

let lastTransaction = Math.floor(Math.random() * 0x4000_0000)

/** Sends until an answer of the kind comes, or the time is over. */
async function exchange(
  socket: Socket,
  mac: string,
  options: readonly number[],
  kind: number,
  limitMs: number,
): Promise<Buffer | undefined> {
  const transaction = ++lastTransaction
  const message = messageOf(1, mac, transaction, options)
  return await new Promise((resolve) => {
    const over = (answer?: Buffer): void => {
      clearInterval(again)
      clearTimeout(last)
      socket.off('message', listen)
      resolve(answer)
    }
    const listen = (answer: Buffer): void => {
      if (answer.readUInt32BE(4) !== transaction) return
      if (optionOf(answer, 53)?.[0] === kind) over(answer)
    }
    const send = (): void => socket.send(message, EVERYBODY.port, EVERYBODY.address)
    socket.on('message', listen)
    const again = setInterval(send, 500)
    const last = setTimeout(over, limitMs)
    send()
  })
}

function toldOf(answer: Buffer): Told {
  const dotted = (code: number): string | undefined => optionOf(answer, code)?.join('.')
  const field = answer.subarray(108, 236)
  const named = optionOf(answer, 67)?.toString().replace(/\0$/, '')
  const file = named ?? field.toString('utf8', 0, field.indexOf(0))
  const [vendorClass, router, nameServer] = [optionOf(answer, 60), dotted(3), dotted(6)]
  return {
    address: answer.subarray(16, 20).join('.'),
    ...(file !== '' && { file }),
    ...(vendorClass !== undefined && { vendorClass: vendorClass.toString() }),
    ...(router !== undefined && { router }),
    ...(nameServer !== undefined && { nameServer }),
  }
}

async function lease(
  socket: Socket,
  question: Extract<Question, { ask: 'lease' | 'discover' }>,
): Promise<Told> {
  const { mac, architecture, isIpxe, limitMs } = question
  const wanted = [
    ...[55, 6, 1, 3, 6, 60, 66, 67],
    ...(architecture === undefined ? [] : [93, 2, 0, architecture]),
    ...(isIpxe === true ? [175, 3, 1, 1, 0, 77, 4, ...Buffer.from('iPXE')] : []),
  ]
  const offer = await exchange(socket, mac, [53, 1, DISCOVER, ...wanted], OFFER, limitMs)
  if (offer === undefined) return {}
  if (question.ask === 'discover') return toldOf(offer)
  const server = optionOf(offer, 54) ?? Buffer.alloc(4)
  const named = [50, 4, ...offer.subarray(16, 20), 54, 4, ...server]
  const request = [53, 1, REQUEST, ...named, ...wanted]
  const answer = await exchange(socket, mac, request, ACKNOWLEDGED, limitMs)
  return answer === undefined ? {} : toldOf(answer)
}

/** In batches, each followed by a machine that is known: its offer proves that the server has read
 *  the whole batch before it. */
async function strangers(
  socket: Socket,
  { count, mac, limitMs }: Extract<Question, { ask: 'strangers' }>,
): Promise<Told> {
  let offers = 0
  let knownAsked = 0
  let knownAnswered = 0
  const listen = (answer: Buffer): void => {
    if (answer[28] === 0x06) offers++
  }
  socket.on('message', listen)
  for (let sent = 0; sent < count; ) {
    for (let index = 0; index < BATCH; index++, sent++) {
      const stranger = `06:00:00:00:${hexOf(sent >> 8)}:${hexOf(sent & 255)}`
      const kind = sent % 4 === 3 ? REQUEST : DISCOVER
      const options = kind === DISCOVER ? [53, 1, kind] : [53, 1, kind, 50, 4, 10, 88, 0, 150]
      socket.send(messageOf(1, stranger, ++lastTransaction, options), 67, EVERYBODY.address)
    }
    knownAsked++
    const answer = await exchange(socket, mac, [53, 1, DISCOVER], OFFER, limitMs)
    if (answer !== undefined) knownAnswered++
  }
  socket.off('message', listen)
  return { offers, knownAsked, knownAnswered }
}

const hexOf = (byte: number): string => byte.toString(16).padStart(2, '0')

/** RFC 1350: blocks of 512 bytes, each acknowledged. */
async function tftp({ server, file }: Extract<Question, { ask: 'tftp' }>): Promise<Told> {
  const socket = await bound(0)
  const hash = createHash('sha256')
  const request = Buffer.concat([Buffer.from([0, 1]), Buffer.from(`${file}\0octet\0`)])
  let expected = 1
  return await new Promise((resolve) => {
    const over = (told: Told): void => {
      clearTimeout(last)
      socket.close()
      resolve(told)
    }
    const last = setTimeout(over, 10_000, { error: 'no answer' })
    socket.on('message', (message, from) => {
      if (message[1] === 5) {
        over({ error: message.toString('utf8', 4).replace(/\0$/, '') })
        return
      }
      const block = message.readUInt16BE(2)
      socket.send(Buffer.from([0, 4, block >> 8, block & 255]), from.port, from.address)
      if (block !== (expected & 0xffff)) return
      expected++
      hash.update(message.subarray(4))
      if (message.length < 516) over({ sha256: hash.digest('hex') })
    })
    socket.send(request, 69, server)
  })
}

async function answerTo(socket: Socket, question: Question): Promise<Told> {
  switch (question.ask) {
    case 'lease':
    case 'discover':
      return await lease(socket, question)
    case 'strangers':
      return await strangers(socket, question)
    case 'tftp':
      return await tftp(question)
  }
}

async function ask(questions: readonly Question[]): Promise<void> {
  const socket = await bound(68)
  socket.setMaxListeners(0)
  const told = await Promise.all(questions.map((question) => answerTo(socket, question)))
  process.stdout.write(`${JSON.stringify(told)}\n`)
  process.exit(0)
}

/** Offers the same address to everybody. */
async function serve(server: string, offered: string): Promise<void> {
  const socket = await bound(67)
  const identifier = server.split('.').map(Number)
  socket.on('message', (message) => {
    if (optionOf(message, 53)?.[0] !== DISCOVER) return
    const mac = [...message.subarray(28, 34)].map(hexOf).join(':')
    const options = [53, 1, OFFER, 54, 4, ...identifier]
    const answer = messageOf(2, mac, message.readUInt32BE(4), options)
    answer.set(offered.split('.').map(Number), 16)
    answer.set(Buffer.from('foreign.0\0'), 108)
    socket.send(answer, 68, '255.255.255.255')
  })
  process.stdout.write('serves\n')
}

const [mode, first = '', second = ''] = process.argv.slice(2)
if (mode === 'ask') await ask(JSON.parse(first))
if (mode === 'serve') await serve(first, second)
