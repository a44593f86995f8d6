import test from 'ava'
import fc from 'fast-check'
import { readSegment, SegmentWriter } from './segment.ts'

interface Push {
  readonly timeMs: number
  readonly keys: readonly string[]
  readonly values: Float64Array
}

function written(pushes: readonly Push[]): Uint8Array {
  const writer = new SegmentWriter()
  return Buffer.concat(
    pushes.map(({ timeMs, keys, values }) => writer.records(timeMs, keys, values)),
  )
}

const read = (file: Uint8Array): Push[] =>
  Array.from(readSegment(file), ({ values, ...rest }) => ({ ...rest, values: values.slice() }))

/** Counters, readings with decimals, and anything a double can hold. */
const value = fc.oneof(
  fc.nat(),
  fc.integer({ min: -1000, max: 1000 }).map((number) => number / 100),
  fc.maxSafeInteger(),
  fc.double(),
  fc.constantFrom(Number.NaN, -0, Number.POSITIVE_INFINITY, 2 ** 60, 1e-300),
)
const pushes = fc
  .array(
    fc
      .integer({ min: 0, max: 6 })
      .chain((size) => fc.array(value, { minLength: size, maxLength: size })),
  )
  .map((list) =>
    list.map((values, index) => ({
      timeMs: 1_700_000_000_000 + index * 15_000,
      keys: values.map((_, series) => `node_${series}{}`),
      values: Float64Array.from(values),
    })),
  )

test('every value of every push comes back exactly', (t) => {
  fc.assert(
    fc.property(pushes, (list) => {
      const back = read(written(list))
      t.is(back.length, list.length)
      return back.every(({ timeMs, keys, values }, index) => {
        const push = list[index]
        return (
          timeMs === push?.timeMs &&
          keys.join() === push.keys.join() &&
          values.every((number, series) => Object.is(number, push.values[series]))
        )
      })
    }),
  )
})

test('a file that a crash cut off gives what was whole, and no byte of it makes another value', (t) => {
  fc.assert(
    fc.property(
      pushes,
      fc.nat(),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (list, cut, at, flip) => {
        const file = written(list)
        const whole = read(file)
        const short = read(file.subarray(0, file.length === 0 ? 0 : cut % file.length))
        t.deepEqual(short, whole.slice(0, short.length))
        if (file.length === 0) return
        const broken = file.slice()
        broken[at % file.length] = (broken[at % file.length] ?? 0) ^ flip
        const found = read(broken)
        t.deepEqual(found, whole.slice(0, found.length))
      },
    ),
  )
})

test('any bytes are read as far as they are records', (t) => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (file) => read(file).length >= 0))
  t.pass()
})

test('a push in which little changed takes little room', (t) => {
  const keys = Array.from(
    { length: 300 },
    (_, index) => `node_some_metric_total{device="${index}"}`,
  )
  const values = Float64Array.from(keys, (_, index) => index * 1_000_003.25)
  const writer = new SegmentWriter()
  writer.records(0, keys, values)
  t.true(writer.records(15_000, keys, values).length < 30)
  const moved = values.map((number, index) => (index % 3 === 0 ? number + 512 : number))
  t.true(writer.records(30_000, keys, moved).length < 100 * 5)
})
