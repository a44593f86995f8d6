import test from 'ava'
import fc from 'fast-check'
import { newIdentifier, shortHash, uuidOf } from './identifier.ts'

test('identifiers have 26 characters and sort by time', (t) => {
  const time = fc.integer({ min: 0, max: 2 ** 47 })
  fc.assert(
    fc.property(time, time, (a, b) => {
      const [first, second] = [newIdentifier(a), newIdentifier(b)]
      t.regex(first, /^[0-9abcdefghjkmnpqrstvwxyz]{26}$/)
      if (a !== b) t.is(first < second, a < b)
    }),
  )
})

test('identifiers of one millisecond differ by their random bits alone', (t) => {
  const low = newIdentifier(1, (count) => new Uint8Array(count))
  const high = newIdentifier(1, (count) => new Uint8Array(count).fill(255))
  t.is(low, '00000000010000000000000000')
  t.is(high, '0000000001zzzzzzzzzzzzzzzz')
})

test('hashes and UUIDs are the same for the same text', (t) => {
  t.is(shortHash('web-1.eth0', 8), shortHash('web-1.eth0', 8))
  t.is(shortHash('', 8), 'e3b0c442')
  t.not(uuidOf('a'), uuidOf('b'))
})

test('a UUID of a text has version 8 and the variant of RFC 9562', (t) => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      t.regex(uuidOf(text), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    }),
  )
})
