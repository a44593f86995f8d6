import test from 'ava'
import fc from 'fast-check'
import { rangeStillHolds, readRange } from './range.ts'

test('a range of either form names the bytes that a slice has', (t) => {
  const sizes = fc.nat({ max: 64 })
  fc.assert(
    fc.property(
      sizes,
      sizes,
      sizes,
      fc.constantFrom('both', 'from', 'last'),
      (size, a, b, form) => {
        const bytes = Buffer.from(Array.from({ length: size }, (_, index) => index))
        const [header, wanted] =
          form === 'both'
            ? [`bytes=${a}-${b}`, b < a ? bytes : bytes.subarray(a, b + 1)]
            : form === 'from'
              ? [`bytes=${a}-`, bytes.subarray(a)]
              : [`bytes=-${a}`, bytes.subarray(Math.max(0, size - a), size)]
        const part = readRange(header, size)
        const got =
          part.part === 'whole'
            ? bytes
            : part.part === 'none'
              ? Buffer.alloc(0)
              : bytes.subarray(part.first, part.last + 1)
        t.deepEqual(got, wanted)
        if (part.part === 'range') t.true(part.first <= part.last && part.last < size)
      },
    ),
  )
})

test('several ranges are refused, and what is no range is as none', (t) => {
  t.is(readRange('bytes=0-1,3-4', 10).part, 'none')
  for (const header of [undefined, '', 'bytes', 'bytes=', 'bytes=-', 'bytes=a-b', 'lines=1-2']) {
    t.is(readRange(header, 10).part, 'whole', String(header))
  }
  t.is(readRange('bytes=99999999999999999999-', 10).part, 'whole')
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.nat(), (text, size) => {
      const part = readRange(`bytes=${text}`, size)
      t.true(part.part !== 'range' || (part.first >= 0 && part.last < size))
    }),
  )
})

test('a range is of the file that the client began with, or it gets the whole one', (t) => {
  const file = { entityTag: '"1-2-3"', lastModified: 'Sun, 22 Nov 2026 08:00:00 GMT' }
  t.true(rangeStillHolds(undefined, file))
  t.true(rangeStillHolds('"1-2-3"', file))
  t.true(rangeStillHolds(file.lastModified, file))
  t.false(rangeStillHolds('"1-2-4"', file))
  t.false(rangeStillHolds('W/"1-2-3"', file))
  t.false(rangeStillHolds('Sun, 22 Nov 2026 08:00:01 GMT', file))
})
