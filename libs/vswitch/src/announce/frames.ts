import { parseAddress } from '@purlin/base'

const BROADCAST = Buffer.from('ffffffffffff', 'hex')
const ALL_NODES_MAC = Buffer.from('333300000001', 'hex')
const ALL_NODES = Buffer.from('ff020000000000000000000000000001', 'hex')
const ETHER_ARP = 0x0806
const ETHER_RARP = 0x8035
const ETHER_IPV6 = 0x86dd
const ICMPV6 = 58
const NEIGHBOUR_ADVERTISEMENT = 136
/** What the receiver knows is overridden; nobody has asked. */
const OVERRIDE = 0x2000_0000
const SMALLEST_FRAME_BYTES = 60

/** The frames that tell a wire where a MAC is and which addresses it has: an ARP announcement for
 *  each IPv4 address (RFC 5227 section 2.3), an unsolicited neighbour advertisement for each of
 *  IPv6 (RFC 4861 section 7.2.6). Without any address a RARP request, as QEMU sends it: switches
 *  learn of it and nobody answers. Pure. */
export function announcementFrames(
  mac: string,
  addresses: readonly string[],
): readonly Uint8Array[] {
  const source = Buffer.from(mac.replaceAll(':', ''), 'hex')
  const frames = addresses.flatMap((text): Buffer[] => {
    const address = parseAddress(text)
    if (address === undefined) return []
    const digits = address.family === 'ipv4' ? 8 : 32
    const bytes = Buffer.from(address.value.toString(16).padStart(digits, '0'), 'hex')
    return [address.family === 'ipv4' ? arp(source, bytes) : advertisement(source, bytes)]
  })
  return frames.length > 0 ? frames : [reverseArp(source)]
}

function arp(mac: Buffer, address: Buffer): Buffer {
  return addressFrame(ETHER_ARP, 1, mac, [mac, address, Buffer.alloc(6), address])
}

function reverseArp(mac: Buffer): Buffer {
  return addressFrame(ETHER_RARP, 3, mac, [mac, Buffer.alloc(4), mac, Buffer.alloc(4)])
}

function addressFrame(
  type: number,
  operation: number,
  mac: Buffer,
  fields: readonly Buffer[],
): Buffer {
  const head = Buffer.from([0, 1, 8, 0, 6, 4, 0, operation])
  const frame = Buffer.concat([BROADCAST, mac, number16(type), head, ...fields])
  return Buffer.concat([frame, Buffer.alloc(SMALLEST_FRAME_BYTES - frame.length)])
}

function advertisement(mac: Buffer, address: Buffer): Buffer {
  const flags = Buffer.alloc(4)
  flags.writeUInt32BE(OVERRIDE)
  const option = Buffer.concat([Buffer.from([2, 1]), mac])
  const head = Buffer.from([NEIGHBOUR_ADVERTISEMENT, 0, 0, 0])
  const message = Buffer.concat([head, flags, address, option])
  message.writeUInt16BE(checksum(address, ALL_NODES, message), 2)
  const packet = Buffer.alloc(8)
  packet.writeUInt32BE(0x6000_0000)
  packet.writeUInt16BE(message.length, 4)
  packet.set([ICMPV6, 255], 6)
  const ether = Buffer.concat([ALL_NODES_MAC, mac, number16(ETHER_IPV6)])
  return Buffer.concat([ether, packet, address, ALL_NODES, message])
}

/** The checksum of ICMPv6 with its pseudo-header (RFC 4443 section 2.3). */
function checksum(source: Buffer, destination: Buffer, message: Buffer): number {
  const length = Buffer.alloc(8)
  length.writeUInt32BE(message.length)
  length[7] = ICMPV6
  const summed = Buffer.concat([source, destination, length, message])
  let sum = 0
  for (let at = 0; at < summed.length; at += 2) sum += summed.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

function number16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff])
}
