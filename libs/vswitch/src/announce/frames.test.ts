import test from 'ava'
import { announcementFrames } from './frames.ts'

const MAC = '52:54:00:00:00:0a'
const hex = (frame: Uint8Array | undefined): string => Buffer.from(frame ?? []).toString('hex')

test('an address of IPv4 is announced by ARP to all', (t) => {
  const [frame] = announcementFrames(MAC, ['10.1.0.5'])
  t.is(
    hex(frame),
    `ffffffffffff52540000000a0806${'0001080006040001'}52540000000a0a010005${'00'.repeat(6)}0a010005${'00'.repeat(18)}`,
  )
})

test('an address of IPv6 is advertised to all nodes with a checksum that fits', (t) => {
  const frame = Buffer.from(announcementFrames(MAC, ['fd01::5'])[0] ?? [])
  t.is(frame.length, 14 + 40 + 32)
  t.is(frame.toString('hex', 0, 14), '33330000000152540000000a86dd')
  t.is(frame.toString('hex', 54, 56), '8800')
  t.is(frame.toString('hex', 58, 62), '20000000', 'it overrides what is known')
  t.is(frame.toString('hex', 78), '020152540000000a')
  // The sum over pseudo-header and message, checksum included, is all ones.
  const summed = Buffer.concat([
    frame.subarray(22, 54),
    Buffer.from([0, 0, 0, 32, 0, 0, 0, 58]),
    frame.subarray(54),
  ])
  let sum = 0
  for (let at = 0; at < summed.length; at += 2) sum += summed.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  t.is(sum, 0xffff)
})

test('a MAC without an address is announced as QEMU does it', (t) => {
  const [frame, ...more] = announcementFrames(MAC, ['no address'])
  t.is(more.length, 0)
  t.is(hex(frame).slice(0, 44), 'ffffffffffff52540000000a80350001080006040003')
})
