/** Messages of DHCP (RFC 2131, RFC 2132), as far as a server is asked by its own host. */

const HEAD_BYTES = 240
const MAC_OFFSET = 28
const FILE_OFFSET = 108
const COOKIE = [0x63, 0x82, 0x53, 0x63]
const END = 255
const PAD = 0

export const messageTypes = {
  discover: 1,
  offer: 2,
  request: 3,
  acknowledge: 5,
  inform: 8,
} as const
export const optionCodes = {
  bootFile: 67,
  clientArchitecture: 93,
  messageType: 53,
  parameters: 55,
  serverIdentifier: 54,
  vendorClass: 60,
} as const

export interface DhcpQuestion {
  readonly transaction: number
  readonly mac: string
  /** The address the asker already has; absent: none, and the answer is to be broadcast. */
  readonly address?: string
  readonly options: readonly (readonly [code: number, bytes: readonly number[]])[]
}

/** A client's message, at least as long as BOOTP's. Pure. */
export function dhcpMessage({ transaction, mac, address, options }: DhcpQuestion): Buffer {
  const listed = options.flatMap(([code, bytes]) => [code, bytes.length, ...bytes])
  const message = Buffer.alloc(Math.max(300, HEAD_BYTES + listed.length + 1))
  message.set([1, 1, 6, 0])
  message.writeUInt32BE(transaction >>> 0, 4)
  if (address === undefined) message.writeUInt16BE(0x8000, 10)
  else message.set(address.split('.').map(Number), 12)
  message.set(Buffer.from(mac.replaceAll(':', ''), 'hex'), MAC_OFFSET)
  message.set([...COOKIE, ...listed, END], HEAD_BYTES - COOKIE.length)
  return message
}

export interface DhcpAnswer {
  readonly transaction: number
  readonly mac: string
  readonly offered: string
  readonly kind: number | undefined
  readonly server: string | undefined
  readonly bootFile: string | undefined
}

/** Reads a server's message; undefined for what is none. Total: anything may come from a network.
 *  Pure. */
export function readDhcpAnswer(message: Buffer): DhcpAnswer | undefined {
  if (message.length < HEAD_BYTES || message[0] !== 2 || message[2] !== 6) return undefined
  if (COOKIE.some((byte, at) => message[HEAD_BYTES - COOKIE.length + at] !== byte)) return undefined
  const options = readOptions(message)
  const server = options.get(optionCodes.serverIdentifier)
  const named =
    options.get(optionCodes.bootFile) ?? message.subarray(FILE_OFFSET, FILE_OFFSET + 128)
  const bootFile = textOf(named)
  return {
    transaction: message.readUInt32BE(4),
    mac: [...message.subarray(MAC_OFFSET, MAC_OFFSET + 6)]
      .map((byte) => byte.toString(16).padStart(2, '0'))
      .join(':'),
    offered: message.subarray(16, 20).join('.'),
    kind: options.get(optionCodes.messageType)?.[0],
    server: server?.length === 4 ? server.join('.') : undefined,
    bootFile: bootFile === '' ? undefined : bootFile,
  }
}

function readOptions(message: Buffer): ReadonlyMap<number, Buffer> {
  const found = new Map<number, Buffer>()
  for (let at = HEAD_BYTES; at < message.length && message[at] !== END; ) {
    const code = message[at] ?? PAD
    if (code === PAD) {
      at++
      continue
    }
    const length = message[at + 1] ?? 0
    if (at + 2 + length > message.length) break
    found.set(code, message.subarray(at + 2, at + 2 + length))
    at += 2 + length
  }
  return found
}

/** The text up to the first zero, without what a console or a log would obey. */
function textOf(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return bytes
    .toString('latin1', 0, end === -1 ? bytes.length : end)
    .replaceAll(/[^\x20-\x7e]/g, '?')
}
