import test from 'ava'
import { readPacket } from './headers.ts'

const udp = [0x9c, 0x44, 0x00, 0x35, 0x00, 0x08, 0x00, 0x00]
const ipv4Ends = [10, 9, 0, 10, 10, 9, 0, 11]
const ipv6Ends = [0xfd, 9, ...zeros(13), 0xa, 0xfd, 9, ...zeros(13), 0xb]

function zeros(count: number): readonly number[] {
  return Array.from({ length: count }, () => 0)
}

function ipv4(protocol: number, fragment: number, ...rest: readonly number[]): Uint8Array {
  const head = [0x45, 0, 0, 28, 0, 0, fragment >> 8, fragment & 0xff, 64, protocol, 0, 0]
  return Uint8Array.from([...head, ...ipv4Ends, ...rest])
}

function ipv6(next: number, ...rest: readonly number[]): Uint8Array {
  return Uint8Array.from([0x60, 0, 0, 0, 0, rest.length, next, 64, ...ipv6Ends, ...rest])
}

const ends4 = { family: 'ipv4', source: 0x0a09_000an, destination: 0x0a09_000bn } as const
const ends6 = {
  family: 'ipv6',
  source: (0xfd09n << 112n) | 0xan,
  destination: (0xfd09n << 112n) | 0xbn,
} as const
const ports = { sourcePort: 40_004, destinationPort: 53 }

test('headers of UDP say the ports, in both families', (t) => {
  t.deepEqual(readPacket(ipv4(17, 0, ...udp)), { ...ends4, protocol: 17, ...ports })
  t.deepEqual(readPacket(ipv6(17, ...udp)), { ...ends6, protocol: 17, ...ports })
})

test('headers of ICMP say type and code', (t) => {
  t.deepEqual(readPacket(ipv4(1, 0, 8, 0, 0, 0)), {
    ...ends4,
    protocol: 1,
    icmp: { type: 8, code: 0 },
  })
  t.deepEqual(readPacket(ipv6(58, 1, 4, 0, 0))?.icmp, { type: 1, code: 4 })
})

test('a transport header that was given apart is read', (t) => {
  t.deepEqual(readPacket(ipv4(17, 0), Uint8Array.from(udp)), { ...ends4, protocol: 17, ...ports })
})

test('a later fragment has no ports', (t) => {
  t.deepEqual(readPacket(ipv4(17, 5, ...udp)), { ...ends4, protocol: 17 })
  const fragment = [17, 0, 0, 8, 0, 0, 0, 1]
  t.deepEqual(readPacket(ipv6(44, ...fragment, ...udp)), { ...ends6, protocol: 17 })
})

test('extension headers are passed over', (t) => {
  const hopByHop = [17, 0, 1, 4, 0, 0, 0, 0]
  t.deepEqual(readPacket(ipv6(0, ...hopByHop, ...udp)), { ...ends6, protocol: 17, ...ports })
})

test('what is cut off or no IP at all says nothing', (t) => {
  t.is(readPacket(new Uint8Array(0)), undefined)
  t.is(readPacket(Uint8Array.from([0x45, 0, 0])), undefined)
  t.is(readPacket(new Uint8Array(40)), undefined)
  t.deepEqual(readPacket(ipv4(17, 0, 0x9c)), { ...ends4, protocol: 17 })
})
