import test from 'ava'
import fc from 'fast-check'
import {
  formatAddress,
  formatCidr,
  linkLocalOfMac,
  parseAddress,
  parseCidr,
  rangeHolds,
} from './address.ts'

test('addresses are read as numbers', (t) => {
  t.deepEqual(parseAddress('10.77.0.10'), { family: 'ipv4', value: 0x0a4d000an })
  t.deepEqual(parseAddress('::'), { family: 'ipv6', value: 0n })
  t.deepEqual(parseAddress('::1'), { family: 'ipv6', value: 1n })
  t.is(parseAddress('fd77::a')?.value, (0xfd77n << 112n) | 0xan)
  t.is(parseAddress('1:2:3:4:5:6:7::')?.value, parseAddress('1:2:3:4:5:6:7:0')?.value)
  t.is(parseAddress('::ffff:10.0.0.1')?.value, (0xffffn << 32n) | 0x0a000001n)
  t.is(parseAddress('64:ff9b::192.0.2.33')?.value, parseAddress('64:ff9b::c000:221')?.value)
})

test('what is no plain address is none', (t) => {
  for (const text of [
    '',
    '10.77.0',
    '10.77.0.256',
    '010.0.0.1',
    'fe80::1%eth0',
    '1::2::3',
    ':::',
    '10.0.0.1/24',
    ' ::1',
  ]) {
    t.is(parseAddress(text), undefined, text)
  }
})

test('networks lose the bits behind their prefix and know both ends', (t) => {
  const network = parseCidr('10.77.0.10/24')
  t.is(network && formatCidr(network), '10.77.0.0/24')
  t.is(network?.last, parseAddress('10.77.0.255')?.value)
  t.is(parseCidr('0.0.0.0/0')?.last, 0xffffffffn)
  t.is(parseCidr('fd77::1/128')?.first, parseCidr('fd77::1/128')?.last)
  for (const text of [
    '10.0.0.0',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '::/129',
    '::/1.0',
    '10.0.0.0/08',
    'x/8',
    '10.0.0.0/8/8',
  ]) {
    t.is(parseCidr(text), undefined, text)
  }
})

test('addresses are written the shortest usual way (RFC 5952)', (t) => {
  const rows = [
    ['2001:0db8:0000:0000:0001:0000:0000:0001', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['FE80::A', 'fe80::a'],
    ['1::', '1::'],
    ['::', '::'],
    ['::1', '::1'],
    ['0:0:0:0:0:0:0:0', '::'],
  ] as const
  for (const [written, wanted] of rows) {
    const address = parseAddress(written)
    t.is(address && formatAddress(address), wanted)
  }
})

test('writing and reading an address gives the same number', (t) => {
  const address = fc.oneof(
    fc.record({ family: fc.constant('ipv4' as const), value: fc.bigInt(0n, 2n ** 32n - 1n) }),
    fc.record({ family: fc.constant('ipv6' as const), value: fc.bigInt(0n, 2n ** 128n - 1n) }),
    fc.record({
      family: fc.constant('ipv6' as const),
      value: fc
        .array(fc.constantFrom(0n, 0n, 1n, 0xffffn), { minLength: 8, maxLength: 8 })
        .map((groups) => groups.reduce<bigint>((sum, group) => (sum << 16n) | group, 0n)),
    }),
  )
  fc.assert(
    fc.property(address, (one) => {
      t.deepEqual(parseAddress(formatAddress(one)), one)
    }),
  )
})

test('a network holds exactly the addresses between its ends, of its family', (t) => {
  fc.assert(
    fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), fc.ipV4(), (base, length, other) => {
      const network = parseCidr(`${base}/${length}`)
      const address = parseAddress(other)
      if (!network || !address) throw new Error('the generator gave no address')
      const shift = BigInt(32 - length)
      const same = (parseAddress(base)?.value ?? 0n) >> shift === address.value >> shift
      t.is(rangeHolds(network, address), same)
      t.false(rangeHolds(network, { family: 'ipv6', value: address.value }))
    }),
  )
})

test('the link-local address of a MAC is its modified EUI-64', (t) => {
  // RFC 4291, appendix A: the universal bit is inverted and ff:fe goes in between.
  t.is(formatAddress(linkLocalOfMac('52:54:00:12:34:56')), 'fe80::5054:ff:fe12:3456')
  t.is(formatAddress(linkLocalOfMac('00:00:00:00:00:00')), 'fe80::200:ff:fe00:0')
})
