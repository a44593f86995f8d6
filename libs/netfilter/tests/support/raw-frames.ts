import { parseAddress } from '@purlin/base'

const ETHER = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const
const BROADCAST = 'ff:ff:ff:ff:ff:ff'
/** The hop limit that neighbour discovery asks for (RFC 4861). */
const HOP_LIMIT = 255
const UDP = 17
const ICMP = 1
const ICMPV6 = 58

/** Who a frame says it is from, and whom it is for. */
export interface Ends {
  readonly sourceMac: string
  readonly destinationMac: string
  readonly source: string
  readonly destination: string
}

export interface ArpSaying {
  readonly sourceMac: string
  readonly destinationMac: string
  readonly operation: 'request' | 'reply'
  readonly senderMac: string
  readonly sender: string
  readonly target: string
}

/** An ARP frame, in hexadecimal as all frames here. */
export function arpFrame(saying: ArpSaying): string {
  const body = Buffer.alloc(28)
  body.writeUInt16BE(1, 0)
  body.writeUInt16BE(ETHER.ipv4, 2)
  body.writeUInt8(6, 4)
  body.writeUInt8(4, 5)
  body.writeUInt16BE(saying.operation === 'request' ? 1 : 2, 6)
  macBytes(saying.senderMac).copy(body, 8)
  addressBytes(saying.sender).copy(body, 14)
  addressBytes(saying.target).copy(body, 24)
  return frame(saying, ETHER.arp, body)
}

/** UDP with a payload of four bytes. */
export function udpFrame(ends: Ends, sourcePort: number, destinationPort: number): string {
  const body = Buffer.alloc(12)
  body.writeUInt16BE(sourcePort, 0)
  body.writeUInt16BE(destinationPort, 2)
  body.writeUInt16BE(body.length, 4)
  return packetFrame(ends, UDP, body, 6)
}

/** An ICMP message of the ends' family: type, code, and what follows the checksum. */
export function icmpFrame(ends: Ends, type: number, code: number, rest: Buffer): string {
  const body = Buffer.concat([Buffer.from([type, code, 0, 0]), rest])
  const protocol = isIpv6(ends.source) ? ICMPV6 : ICMP
  return packetFrame(ends, protocol, body, 2)
}

/** A packet of any other protocol. */
export function protocolFrame(ends: Ends, protocol: number): string {
  return packetFrame(ends, protocol, Buffer.alloc(16), undefined)
}

/** A neighbour advertisement (RFC 4861, 4.4) of an address, by the sender's MAC. */
export function advertisementFrame(ends: Ends, target: string, isSolicited: boolean): string {
  const flags = Buffer.from([isSolicited ? 0x60 : 0x20, 0, 0, 0])
  const option = Buffer.concat([Buffer.from([2, 1]), macBytes(ends.sourceMac)])
  return icmpFrame(ends, 136, 0, Buffer.concat([flags, addressBytes(target), option]))
}

/** A neighbour solicitation. */
export function solicitationFrame(ends: Ends, target: string): string {
  return icmpFrame(ends, 135, 0, Buffer.concat([Buffer.alloc(4), addressBytes(target)]))
}

/** A router advertisement that says: I am your router for half an hour. */
export function routerFrame(ends: Ends): string {
  return icmpFrame(ends, 134, 0, Buffer.from('400007080000000000000000', 'hex'))
}

/** A redirect: use `target` on the way to `destination` of the body. */
export function redirectFrame(ends: Ends, target: string): string {
  const body = [Buffer.alloc(4), addressBytes(target), addressBytes(ends.destination)]
  return icmpFrame(ends, 137, 0, Buffer.concat(body))
}

/** That a port is closed, said about a frame that was received. */
export function unreachableFrame(ends: Ends, about: string): string {
  const network = Buffer.from(about, 'hex').subarray(14)
  const [type, code, quoted] = isIpv6(ends.source) ? [1, 4, 48] : [3, 3, 28]
  return icmpFrame(ends, type, code, Buffer.concat([Buffer.alloc(4), network.subarray(0, quoted)]))
}

/** To everybody of a network. */
export function broadcast(sourceMac: string, source: string): Ends {
  return { sourceMac, source, destinationMac: BROADCAST, destination: '255.255.255.255' }
}

/** To an IPv6 or IPv4 multicast address. */
export function multicast(sourceMac: string, source: string, destination: string): Ends {
  const low = addressBytes(destination)
  const destinationMac = isIpv6(destination)
    ? Buffer.concat([Buffer.from([0x33, 0x33]), low.subarray(12)])
    : Buffer.concat([Buffer.from([1, 0, 0x5e, (low[1] ?? 0) & 0x7f]), low.subarray(2)])
  const text = (destinationMac.toString('hex').match(/../g) ?? []).join(':')
  return { sourceMac, source, destinationMac: text, destination }
}

function packetFrame(
  ends: Ends,
  protocol: number,
  body: Buffer,
  checksumAt: number | undefined,
): string {
  const [source, destination] = [addressBytes(ends.source), addressBytes(ends.destination)]
  if (checksumAt !== undefined) {
    const tail = Buffer.alloc(8)
    tail.writeUInt32BE(body.length, 0)
    tail.writeUInt8(protocol, 7)
    const covered = protocol === ICMP ? [body] : [source, destination, tail, body]
    body.writeUInt16BE(checksum(Buffer.concat(covered)), checksumAt)
  }
  if (isIpv6(ends.source)) {
    const header = Buffer.alloc(8)
    header.writeUInt8(0x60, 0)
    header.writeUInt16BE(body.length, 4)
    header.writeUInt8(protocol, 6)
    header.writeUInt8(HOP_LIMIT, 7)
    return frame(ends, ETHER.ipv6, Buffer.concat([header, source, destination, body]))
  }
  const header = Buffer.alloc(20)
  header.writeUInt8(0x45, 0)
  header.writeUInt16BE(header.length + body.length, 2)
  header.writeUInt8(HOP_LIMIT, 8)
  header.writeUInt8(protocol, 9)
  source.copy(header, 12)
  destination.copy(header, 16)
  header.writeUInt16BE(checksum(header), 10)
  return frame(ends, ETHER.ipv4, Buffer.concat([header, body]))
}

function frame(
  { sourceMac, destinationMac }: Pick<Ends, 'sourceMac' | 'destinationMac'>,
  type: number,
  body: Buffer,
): string {
  const typeBytes = Buffer.alloc(2)
  typeBytes.writeUInt16BE(type, 0)
  const whole = Buffer.concat([macBytes(destinationMac), macBytes(sourceMac), typeBytes, body])
  return whole.toString('hex')
}

function isIpv6(address: string): boolean {
  return parseAddress(address)?.family === 'ipv6'
}

function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex')
}

function addressBytes(text: string): Buffer {
  const address = parseAddress(text)
  const digits = address?.family === 'ipv6' ? 32 : 8
  return Buffer.from((address?.value ?? 0n).toString(16).padStart(digits, '0'), 'hex')
}

/** The Internet checksum (RFC 1071). */
function checksum(bytes: Buffer): number {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) {
    sum += at + 1 < bytes.length ? bytes.readUInt16BE(at) : bytes.readUInt8(at) << 8
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
