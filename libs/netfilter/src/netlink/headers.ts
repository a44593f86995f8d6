import type { Packet } from '../packet.ts'
import { hasPorts } from '../packet.ts'
import { protocolNumbers } from '../policy/protocol.ts'

const IPV4_BYTES = 20
const IPV6_BYTES = 40
const FRAGMENT = 44
/** Hop-by-hop, routing and destination options (RFC 8200): one may follow the other. */
const EXTENSIONS = new Set([0, 43, 60])
const EXTENSIONS_MAX = 8

/** What the headers of an IPv4 or IPv6 packet say; undefined for anything else and for what is cut
 *  off. `transport`: its header where it was given apart. */
export function readPacket(network: Uint8Array, transport?: Uint8Array): Packet | undefined {
  const version = (network[0] ?? 0) >> 4
  if (version === 4 && network.length >= IPV4_BYTES) return readIpv4(network, transport)
  if (version === 6 && network.length >= IPV6_BYTES) return readIpv6(network, transport)
  return undefined
}

function readIpv4(network: Uint8Array, transport: Uint8Array | undefined): Packet {
  const view = viewOf(network)
  const headerBytes = ((network[0] ?? 0) & 0xf) * 4
  const isFirst = (view.getUint16(6) & 0x1fff) === 0
  const protocol = view.getUint8(9)
  return {
    family: 'ipv4',
    source: BigInt(view.getUint32(12)),
    destination: BigInt(view.getUint32(16)),
    protocol,
    ...(isFirst && readTransport(protocol, transport ?? network.subarray(headerBytes))),
  }
}

function readIpv6(network: Uint8Array, transport: Uint8Array | undefined): Packet {
  const view = viewOf(network)
  let protocol = view.getUint8(6)
  let at = IPV6_BYTES
  let isFirst = true
  for (let count = 0; count < EXTENSIONS_MAX && at + 8 <= network.length; count++) {
    if (protocol === FRAGMENT) {
      isFirst = (view.getUint16(at + 2) & 0xfff8) === 0
      protocol = view.getUint8(at)
      at += 8
    } else if (EXTENSIONS.has(protocol)) {
      protocol = view.getUint8(at)
      at += (view.getUint8(at + 1) + 1) * 8
    } else break
  }
  return {
    family: 'ipv6',
    source: (view.getBigUint64(8) << 64n) | view.getBigUint64(16),
    destination: (view.getBigUint64(24) << 64n) | view.getBigUint64(32),
    protocol,
    ...(isFirst && readTransport(protocol, transport ?? network.subarray(at))),
  }
}

function readTransport(protocol: number, header: Uint8Array): Partial<Packet> {
  if (header.length < 4) return {}
  const view = viewOf(header)
  if (protocol === protocolNumbers.icmp || protocol === protocolNumbers.icmpv6) {
    return { icmp: { type: view.getUint8(0), code: view.getUint8(1) } }
  }
  if (!hasPorts(protocol)) return {}
  return { sourcePort: view.getUint16(0), destinationPort: view.getUint16(2) }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
