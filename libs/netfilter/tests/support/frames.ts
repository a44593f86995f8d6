import type { Packet } from '../../src/packet.ts'

/** Ethernet header of a frame. */
export interface Ends {
  readonly sourceMac: string
  readonly destinationMac: string
}

const ETHERNET_BYTES = 14
const TYPE_OF = { ipv4: 0x0800, ipv6: 0x86dd } as const
const HOP_LIMIT = 64
const TCP_SYN = 0x02
const SCTP_INIT = 1

/** The first packet of a flow as a raw frame, in hexadecimal. `tag` (20 bits) stands in the flow
 *  label, or its low 16 bits in the identification, and comes back by `tagOf`. Of the transport
 *  only ICMP has a checksum: connection tracking is told not to look at others. */
export function frameOf(packet: Packet, ends: Ends, tag: number): string {
  const body = transportOf(packet, tag)
  if (packet.icmp !== undefined) body.writeUInt16BE(checksum(pseudoHeader(packet, body)), 2)
  const network = packet.family === 'ipv4' ? ipv4(packet, body, tag) : ipv6(packet, body, tag)
  return Buffer.concat([ethernet(ends, TYPE_OF[packet.family]), network, body]).toString('hex')
}

/** A frame that every guard lets pass and no list sees (RARP of its own MAC): whatever was sent
 *  before it has come when it comes. */
export function endFrame({ sourceMac, destinationMac }: Ends, number: number): string {
  const body = Buffer.alloc(46)
  body.writeUInt32BE(number, 28)
  return Buffer.concat([ethernet({ sourceMac, destinationMac }, RARP), body]).toString('hex')
}

const RARP = 0x8035

/** What a received frame says: the tag of a packet, or the number of an end frame. */
export function tagOf(
  frame: string,
): { readonly family: 'ipv4' | 'ipv6' | 'end'; readonly tag: number } | undefined {
  const bytes = Buffer.from(frame, 'hex')
  if (bytes.length < ETHERNET_BYTES + 20) return undefined
  const type = bytes.readUInt16BE(12)
  if (type === RARP) return { family: 'end', tag: bytes.readUInt32BE(ETHERNET_BYTES + 28) }
  if (type === TYPE_OF.ipv4) return { family: 'ipv4', tag: bytes.readUInt16BE(ETHERNET_BYTES + 4) }
  if (type !== TYPE_OF.ipv6) return undefined
  return { family: 'ipv6', tag: bytes.readUInt32BE(ETHERNET_BYTES) & 0xfffff }
}

function ethernet({ sourceMac, destinationMac }: Ends, type: number): Buffer {
  const header = Buffer.alloc(ETHERNET_BYTES)
  header.write(destinationMac.replaceAll(':', ''), 0, 'hex')
  header.write(sourceMac.replaceAll(':', ''), 6, 'hex')
  header.writeUInt16BE(type, 12)
  return header
}

function transportOf({ protocol, sourcePort, destinationPort, icmp }: Packet, tag: number): Buffer {
  if (icmp !== undefined) {
    const message = Buffer.alloc(8)
    message.writeUInt8(icmp.type, 0)
    message.writeUInt8(icmp.code, 1)
    message.writeUInt16BE(tag & 0xffff, 4)
    return message
  }
  if (sourcePort === undefined || destinationPort === undefined) return Buffer.alloc(8)
  const size: Readonly<Record<number, number>> = { 6: 20, 17: 8, 132: 32 }
  const body = Buffer.alloc(size[protocol] ?? 8)
  body.writeUInt16BE(sourcePort, 0)
  body.writeUInt16BE(destinationPort, 2)
  if (protocol === 6) {
    body.writeUInt8(5 << 4, 12)
    body.writeUInt8(TCP_SYN, 13)
  } else if (protocol === 17) {
    body.writeUInt16BE(8, 4)
  } else {
    body.writeUInt8(SCTP_INIT, 12)
    body.writeUInt16BE(20, 14)
    body.writeUInt32BE(tag + 1, 16)
    body.writeUInt32BE(65_536, 20)
    body.writeUInt16BE(1, 24)
    body.writeUInt16BE(1, 26)
  }
  return body
}

function ipv4({ source, destination, protocol }: Packet, body: Buffer, tag: number): Buffer {
  const header = Buffer.alloc(20)
  header.writeUInt8(0x45, 0)
  header.writeUInt16BE(header.length + body.length, 2)
  header.writeUInt16BE(tag & 0xffff, 4)
  header.writeUInt8(HOP_LIMIT, 8)
  header.writeUInt8(protocol, 9)
  header.writeUInt32BE(Number(source), 12)
  header.writeUInt32BE(Number(destination), 16)
  header.writeUInt16BE(checksum(header), 10)
  return header
}

function ipv6({ source, destination, protocol }: Packet, body: Buffer, tag: number): Buffer {
  const header = Buffer.alloc(40)
  header.writeUInt32BE(0x60000000 + (tag & 0xfffff), 0)
  header.writeUInt16BE(body.length, 4)
  header.writeUInt8(protocol, 6)
  header.writeUInt8(HOP_LIMIT, 7)
  header.write(source.toString(16).padStart(32, '0'), 8, 'hex')
  header.write(destination.toString(16).padStart(32, '0'), 24, 'hex')
  return header
}

/** What the checksum of an ICMP message is of; with IPv6 its ends too (RFC 4443). */
function pseudoHeader({ family, source, destination, protocol }: Packet, body: Buffer): Buffer {
  if (family === 'ipv4') return body
  const header = Buffer.alloc(40)
  header.write(source.toString(16).padStart(32, '0'), 0, 'hex')
  header.write(destination.toString(16).padStart(32, '0'), 16, 'hex')
  header.writeUInt32BE(body.length, 32)
  header.writeUInt8(protocol, 39)
  return Buffer.concat([header, body])
}

/** The Internet checksum (RFC 1071). */
function checksum(bytes: Buffer): number {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
