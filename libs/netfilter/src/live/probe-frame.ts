import { PurlinError } from '@purlin/base'
import { hasPorts, type Packet } from '../packet.ts'
import { protocolNumbers } from '../policy/protocol.ts'
import { crc32c, internetChecksum } from './checksums.ts'

/** A frame that is told from all others by the random bytes at its end. */
export interface ProbeFrame {
  readonly bytes: Uint8Array
  readonly family: Packet['family']
  /** The packet in it, as a trace shows it. */
  readonly packet: Packet
  readonly nonce: Uint8Array
  /** Where the random bytes begin, counted from the network header. */
  readonly nonceAt: number
}

export interface ProbeEnds {
  readonly sourceMac: string
  /** Not asked for where the packet goes to a group of machines. */
  readonly destinationMac: string
}

/** Bytes that a rule of the kernel can compare at once. */
export const NONCE_BYTES = 16
const ETHERNET_BYTES = 14
const ETHER_TYPE = { ipv4: 0x0800, ipv6: 0x86dd } as const
/** What neighbour discovery asks for (RFC 4861), and good for all else. */
const HOP_LIMIT = 255
const TCP = { bytes: 20, syn: 0x02, window: 65_535 } as const
/** INIT with a parameter that a receiver skips (RFC 9260, 3.2.1: the two highest bits). */
const SCTP = { bytes: 36, init: 1, window: 65_536, unknownParameter: 0xbfff } as const
const PLAIN_BYTES = 8
const NEIGHBOUR_BYTES = 24
const neighbour = { solicitation: 135, advertisement: 136 } as const
const BROADCAST = 0xffff_ffffn

/** The first packet of a flow as a frame, whole and with right sums, since connection tracking
 *  looks at them: a TCP SYN, an SCTP INIT, a datagram, an ICMP message. Pure. Errors: PUR_INVALID
 *  where a port is not known, which no packet that is sent can be. */
export function probeFrame(packet: Packet, ends: ProbeEnds, nonce: Uint8Array): ProbeFrame {
  const { family, sourcePort, destinationPort, protocol } = packet
  if (hasPorts(protocol) && (sourcePort === undefined || destinationPort === undefined)) {
    const path = sourcePort === undefined ? 'sourcePort' : 'destinationPort'
    const message = 'a packet that is sent has ports: name it'
    throw new PurlinError('PUR_INVALID', {
      message: `${path}: ${message}`,
      problems: [{ path, message }],
    })
  }
  const body = Buffer.concat([transportHeader(packet), nonce])
  writeSum(packet, body)
  const network = family === 'ipv4' ? ipv4Header(packet, body) : ipv6Header(packet, body)
  return {
    bytes: Buffer.concat([ethernetHeader(packet, ends), network, body]),
    family,
    packet,
    nonce,
    nonceAt: network.length + body.length - NONCE_BYTES,
  }
}

function ethernetHeader(packet: Packet, { sourceMac, destinationMac }: ProbeEnds): Buffer {
  const header = Buffer.alloc(ETHERNET_BYTES)
  header.write(groupMac(packet) ?? destinationMac.replaceAll(':', ''), 0, 'hex')
  header.write(sourceMac.replaceAll(':', ''), 6, 'hex')
  header.writeUInt16BE(ETHER_TYPE[packet.family], 12)
  return header
}

/** The MAC of a multicast group (RFC 1112, RFC 2464) or of everybody. */
function groupMac({ family, destination }: Packet): string | undefined {
  if (family === 'ipv6') {
    const low = (destination & 0xffff_ffffn).toString(16).padStart(8, '0')
    return destination >> 120n === 0xffn ? `3333${low}` : undefined
  }
  if (destination === BROADCAST) return 'ffffffffffff'
  const low = (destination & 0x7f_ffffn).toString(16).padStart(6, '0')
  return destination >> 28n === 0xen ? `01005e${low}` : undefined
}

function transportHeader(packet: Packet): Buffer {
  const { protocol, sourcePort = 0, destinationPort = 0, icmp } = packet
  if (icmp !== undefined) return icmpHeader(packet, icmp)
  const header = Buffer.alloc(headerBytes(protocol))
  if (!hasPorts(protocol)) return header
  header.writeUInt16BE(sourcePort, 0)
  header.writeUInt16BE(destinationPort, 2)
  if (protocol === protocolNumbers.tcp) {
    header.writeUInt8((TCP.bytes / 4) << 4, 12)
    header.writeUInt8(TCP.syn, 13)
    header.writeUInt16BE(TCP.window, 14)
  } else if (protocol === protocolNumbers.udp) {
    header.writeUInt16BE(PLAIN_BYTES + NONCE_BYTES, 4)
  } else {
    // The chunk begins behind twelve bytes, its parameter behind twenty more.
    header.writeUInt8(SCTP.init, 12)
    header.writeUInt16BE(SCTP.bytes - 12 + NONCE_BYTES, 14)
    header.writeUInt32BE(1, 16)
    header.writeUInt32BE(SCTP.window, 20)
    header.writeUInt16BE(1, 24)
    header.writeUInt16BE(1, 26)
    header.writeUInt32BE(1, 28)
    header.writeUInt16BE(SCTP.unknownParameter, 32)
    header.writeUInt16BE(4 + NONCE_BYTES, 34)
  }
  return header
}

function headerBytes(protocol: number): number {
  if (protocol === protocolNumbers.tcp) return TCP.bytes
  return protocol === protocolNumbers.sctp ? SCTP.bytes : PLAIN_BYTES
}

/** Neighbour discovery names an address behind the header: asked for, or one's own. */
function icmpHeader(packet: Packet, { type, code }: NonNullable<Packet['icmp']>): Buffer {
  const { family, source, destination } = packet
  const isNeighbour =
    family === 'ipv6' && (type === neighbour.solicitation || type === neighbour.advertisement)
  const header = Buffer.alloc(isNeighbour ? NEIGHBOUR_BYTES : PLAIN_BYTES)
  header.writeUInt8(type, 0)
  header.writeUInt8(code, 1)
  if (isNeighbour) {
    const target = type === neighbour.solicitation ? destination : source
    header.write(digits(target, 32), PLAIN_BYTES, 'hex')
  }
  return header
}

/** Puts the sum of a transport that has one where it belongs. */
function writeSum(packet: Packet, body: Buffer): void {
  const { tcp, udp, sctp, icmp, icmpv6 } = protocolNumbers
  const { family, protocol } = packet
  if (protocol === sctp) {
    body.writeUInt32LE(crc32c(body), 8)
    return
  }
  if (protocol === icmp && family === 'ipv4') {
    body.writeUInt16BE(internetChecksum(body), 2)
    return
  }
  const at = new Map<number, number>([
    [tcp, 16],
    [udp, 6],
    ...(family === 'ipv6' ? [[icmpv6, 2] as const] : []),
  ]).get(protocol)
  if (at === undefined) return
  const sum = internetChecksum(Buffer.concat([pseudoHeader(packet, body.length), body]))
  // A datagram whose sum is 0 would have none (RFC 768).
  body.writeUInt16BE(sum === 0 && protocol === udp ? 0xffff : sum, at)
}

/** What is summed beside the transport's own bytes (RFC 9293, RFC 8200). */
function pseudoHeader({ family, source, destination, protocol }: Packet, length: number): Buffer {
  const size = family === 'ipv4' ? 8 : 32
  const ends = Buffer.from(digits(source, size) + digits(destination, size), 'hex')
  const rest = Buffer.alloc(8)
  rest.writeUInt32BE(length, 0)
  rest.writeUInt8(protocol, 7)
  return Buffer.concat([ends, rest])
}

function ipv4Header({ source, destination, protocol }: Packet, body: Buffer): Buffer {
  const header = Buffer.alloc(20)
  header.writeUInt8(0x45, 0)
  header.writeUInt16BE(header.length + body.length, 2)
  header.writeUInt8(HOP_LIMIT, 8)
  header.writeUInt8(protocol, 9)
  header.writeUInt32BE(Number(source), 12)
  header.writeUInt32BE(Number(destination), 16)
  header.writeUInt16BE(internetChecksum(header), 10)
  return header
}

function ipv6Header({ source, destination, protocol }: Packet, body: Buffer): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt8(0x60, 0)
  header.writeUInt16BE(body.length, 4)
  header.writeUInt8(protocol, 6)
  header.writeUInt8(HOP_LIMIT, 7)
  const ends = Buffer.from(digits(source, 32) + digits(destination, 32), 'hex')
  return Buffer.concat([header, ends])
}

function digits(value: bigint, length: number): string {
  return value.toString(16).padStart(length, '0')
}
