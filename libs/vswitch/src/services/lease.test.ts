import test from 'ava'
import { parseLeases, releaseIpv4, releaseIpv6 } from './lease.ts'
import { addressesOfReservation } from './reservation.ts'
import { localIpv4, localIpv6, udpPorts, unreadPorts } from './sockets.ts'

const file = [
  '1795266076 52:54:00:00:00:0b 10.77.0.51 b ff:00:00:00:0b:00:03',
  '1795266074 52:54:00:00:00:0a 10.77.0.50 * *',
  'duid 00:01:00:01:32:94',
  '1795266076 11 fd77::51 b 00:03:00:01:52:54:00:00:00:0b',
  '',
].join('\n')

test('a lease file is read with its server’s identity', (t) => {
  t.deepEqual(parseLeases(file), {
    serverIdentifier: '000100013294',
    leases: [
      {
        family: 'ipv4',
        address: '10.77.0.51',
        mac: '52:54:00:00:00:0b',
        clientIdentifier: 'ff0000000b0003',
      },
      { family: 'ipv4', address: '10.77.0.50', mac: '52:54:00:00:00:0a', clientIdentifier: '' },
      {
        family: 'ipv6',
        address: 'fd77::51',
        association: 11,
        clientIdentifier: '0003000152540000000b',
      },
    ],
  })
  t.deepEqual(parseLeases(''), { leases: [], serverIdentifier: '' })
})

test('a release names the client, its address and its server', (t) => {
  const [first, second, third] = parseLeases(file).leases
  if (first?.family !== 'ipv4' || second?.family !== 'ipv4' || third?.family !== 'ipv6') {
    t.fail('the file has other leases')
    return
  }
  const four = Buffer.from(releaseIpv4(first, '10.77.0.1', 7))
  t.is(four.subarray(0, 8).toString('hex'), '0101060000000007')
  t.is(four.subarray(12, 16).join('.'), '10.77.0.51')
  t.is(four.subarray(28, 34).toString('hex'), '52540000000b')
  t.is(four.subarray(236).toString('hex'), '6382536335010736040a4d00013d07ff0000000b0003ff')
  const bare = Buffer.from(releaseIpv4(second, '10.77.0.1', 7))
  t.is(bare.subarray(236).toString('hex'), '6382536335010736040a4d0001ff')
  t.is(
    Buffer.from(releaseIpv6(third, '000100013294', 0x1234567)).toString('hex'),
    [
      '08234567',
      '0001000a0003000152540000000b',
      '00020006000100013294',
      '00030028',
      '0000000b0000000000000000',
      '00050018',
      'fd770000000000000000000000000051',
      '0000000000000000',
      '000800020000',
    ].join(''),
  )
})

test('a reservation file tells its addresses', (t) => {
  const text = '52:54:00:00:00:0a,10.77.0.50,[fd77::50],web-1\n52:54:00:00:00:0a,10.78.0.50,web-1\n'
  t.deepEqual(addressesOfReservation(text), ['10.77.0.50', 'fd77::50', '10.78.0.50'])
})

test('the kernel’s tables tell addresses and listening ports', (t) => {
  const trie = [
    '        +-- 10.77.0.0/24 2 0 2',
    '           |-- 10.77.0.0',
    '              /24 link UNICAST',
    '           |-- 10.77.0.1',
    '              /32 host LOCAL',
    '           |-- 10.77.0.255',
    '              /32 link BROADCAST',
  ].join('\n')
  t.deepEqual(localIpv4(trie), ['10.77.0.1'])
  t.deepEqual(localIpv6('fd770000000000000000000000000001 02 40 00 82     eth0\n'), ['fd77::1'])
  const udp = [
    '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid',
    '  304: 01004D0A:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0',
    '  318: 00000000:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000     0',
  ].join('\n')
  t.deepEqual(udpPorts(udp), [53, 67])
  t.deepEqual(unreadPorts(udp), [])
  const waiting =
    '  318: 00000000:0043 00000000:0000 07 00000000:00000500 00:00000000 00000000     0'
  t.deepEqual(unreadPorts(waiting), [67])
})
