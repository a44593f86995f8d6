import test from 'ava'
import fc from 'fast-check'
import { addressMasks, portMasks } from './masks.ts'

test('masks hold exactly the ports of their range', (t) => {
  const port = fc.integer({ min: 0, max: 65_535 })
  fc.assert(
    fc.property(port, port, port, (a, b, probe) => {
      const [first, last] = [Math.min(a, b), Math.max(a, b)]
      const made = portMasks({ first, last })
      const holds = made.filter(({ value, mask }) => (BigInt(probe) & mask) === value)
      t.is(holds.length, first <= probe && probe <= last ? 1 : 0)
      t.true(made.length <= 30)
    }),
  )
})

test('a network is one mask, every address is no bits at all', (t) => {
  const network = { family: 'ipv4', first: 0x0a000000n, last: 0x0affffffn } as const
  t.deepEqual(addressMasks(network), [{ value: 0x0a000000n, mask: 0xff000000n }])
  const all = { family: 'ipv6', first: 0n, last: (1n << 128n) - 1n } as const
  t.deepEqual(addressMasks(all), [{ value: 0n, mask: 0n }])
})
