import test from 'ava'
import { readPacket } from '../netlink/headers.ts'
import type { Packet } from '../packet.ts'
import { crc32c, internetChecksum } from './checksums.ts'
import { NONCE_BYTES, probeFrame } from './probe-frame.ts'

const nonce = Uint8Array.from({ length: NONCE_BYTES }, (_, index) => index + 1)
const macs = { sourceMac: '02:00:00:00:00:01', destinationMac: '02:00:00:00:00:02' }
const ends = {
  ipv4: { family: 'ipv4', source: 0x0a090001n, destination: 0x0a090002n },
  ipv6: { family: 'ipv6', source: (0xfd09n << 112n) | 1n, destination: (0xfd09n << 112n) | 2n },
} as const
const ports = { sourcePort: 50_000, destinationPort: 443 }

function frameOf(packet: Packet) {
  const { bytes, nonceAt } = probeFrame(packet, macs, nonce)
  const network = Buffer.from(bytes).subarray(14)
  const transport = network.subarray(packet.family === 'ipv4' ? 20 : 40)
  return { bytes: Buffer.from(bytes), network, transport, nonceAt }
}

for (const family of ['ipv4', 'ipv6'] as const) {
  test(`${family}: a frame says its packet, and its nonce stands where it is told`, (t) => {
    const icmp = family === 'ipv4' ? { protocol: 1, type: 8 } : { protocol: 58, type: 128 }
    const packets: readonly Packet[] = [
      ...[6, 17, 132].map((protocol) => ({ ...ends[family], ...ports, protocol })),
      { ...ends[family], protocol: icmp.protocol, icmp: { type: icmp.type, code: 0 } },
      { ...ends[family], protocol: 112 },
    ]
    for (const packet of packets) {
      const { network, nonceAt } = frameOf(packet)
      t.deepEqual(readPacket(network), packet)
      t.deepEqual(network.subarray(nonceAt, nonceAt + NONCE_BYTES), Buffer.from(nonce))
      const length = family === 'ipv4' ? network.readUInt16BE(2) : network.readUInt16BE(4) + 40
      t.is(length, network.length)
    }
  })

  test(`${family}: every sum is right`, (t) => {
    if (family === 'ipv4') {
      const { network } = frameOf({ ...ends.ipv4, protocol: 112 })
      t.is(internetChecksum(network.subarray(0, 20)), 0)
    }
    for (const protocol of [6, 17, ...(family === 'ipv6' ? [58] : [])]) {
      const asked = protocol === 58 ? { icmp: { type: 128, code: 0 } } : ports
      const { network, transport } = frameOf({ ...ends[family], ...asked, protocol })
      const addresses = family === 'ipv4' ? network.subarray(12, 20) : network.subarray(8, 40)
      const rest = Buffer.from([0, 0, transport.length >> 8, transport.length & 0xff])
      const pseudo = Buffer.concat([addresses, rest, Buffer.from([0, 0, 0, protocol])])
      t.is(internetChecksum(Buffer.concat([pseudo, transport])), 0, String(protocol))
    }
    const { transport } = frameOf({ ...ends[family], ...ports, protocol: 132 })
    const sum = transport.readUInt32LE(8)
    transport.writeUInt32LE(0, 8)
    t.is(crc32c(transport), sum)
  })
}

test('the sum of SCTP is that of the usual example', (t) => {
  t.is(crc32c(Buffer.from('123456789')), 0xe306_9283)
})

test('an odd number of bytes is summed as if a zero followed', (t) => {
  t.is(internetChecksum(Uint8Array.of(1, 2, 3)), internetChecksum(Uint8Array.of(1, 2, 3, 0)))
})

test('what goes to a group or to everybody has its MAC', (t) => {
  const macOf = (packet: Packet): string => frameOf(packet).bytes.subarray(0, 6).toString('hex')
  const to = (destination: bigint): Packet => ({ ...ends.ipv4, protocol: 2, destination })
  t.is(macOf(to(0xe0_00_00_12n)), '01005e000012')
  t.is(macOf(to(0xffff_ffffn)), 'ffffffffffff')
  t.is(macOf(to(0x0a09_00ffn)), '020000000002')
  const group = (0xff02n << 112n) | 0x1_ff00_0012n
  t.is(macOf({ ...ends.ipv6, protocol: 58, destination: group }), '3333ff000012')
})

test('a packet with ports needs both to be sent', (t) => {
  const packet: Packet = { ...ends.ipv4, protocol: 6, sourcePort: 1 }
  t.throws(() => probeFrame(packet, macs, nonce), { message: /^destinationPort: / })
})
