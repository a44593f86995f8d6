import { type ErrorCode, PurlinError } from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { type Codec, createCodec } from './index.ts'

const bytes = (...values: readonly number[]) => Uint8Array.from(values)

function encode(codec: Codec, data: readonly Uint8Array[], parityShards: number): Uint8Array[] {
  const parity = Array.from({ length: parityShards }, () => new Uint8Array(data[0]?.length ?? 0))
  codec.encodeSync(data, parity)
  return parity
}

function refuses(
  t: ExecutionContext,
  code: ErrorCode,
  call: () => unknown,
  sentence: RegExp | string,
) {
  const error = t.throws(call, { instanceOf: PurlinError, message: sentence })
  t.is(error?.code, code)
}

test('2+1: the parity is the exclusive or, byte by byte', (t) => {
  const codec = createCodec({ dataShards: 2, parityShards: 1 })
  const parity = encode(codec, [bytes(0x53, 0, 0x81, 1), bytes(0xca, 0xff, 0x81, 2)], 1)
  t.deepEqual(parity, [bytes(0x99, 0xff, 0, 3)])
})

test('4+2: both parity shards equal the table worked out by hand', (t) => {
  const codec = createCodec({ dataShards: 4, parityShards: 2 })
  const data = [
    bytes(0x01, 0x00, 0x00, 0x00, 0x11),
    bytes(0x00, 0x80, 0x00, 0x00, 0x22),
    bytes(0x00, 0x00, 0x80, 0x00, 0x33),
    bytes(0x00, 0x00, 0x00, 0x80, 0x44),
  ]
  t.deepEqual(encode(codec, data, 2), [
    bytes(0x01, 0x80, 0x80, 0x80, 0x44),
    bytes(0x01, 0x1d, 0x3a, 0x74, 0x83),
  ])
})

test('any loss of up to the number of parity shards comes back, the rest is handed back', (t) => {
  const stripes = fc
    .record({
      dataShards: fc.integer({ min: 1, max: 12 }),
      parityShards: fc.integer({ min: 1, max: 3 }),
      sizeBytes: fc.integer({ min: 1, max: 200 }),
    })
    .chain((shape) => {
      const total = shape.dataShards + shape.parityShards
      const shard = fc.uint8Array({ minLength: shape.sizeBytes, maxLength: shape.sizeBytes })
      return fc.record({
        shape: fc.constant(shape),
        data: fc.array(shard, { minLength: shape.dataShards, maxLength: shape.dataShards }),
        lost: fc.uniqueArray(fc.nat(total - 1), { maxLength: shape.parityShards }),
      })
    })
  fc.assert(
    fc.property(stripes, ({ shape, data, lost }) => {
      const codec = createCodec(shape)
      const stripe = [...data, ...encode(codec, data, shape.parityShards)]
      const left = stripe.map((shard, i) => (lost.includes(i) ? null : shard))
      const rebuilt = codec.reconstructSync(left)
      t.deepEqual(rebuilt, stripe)
      t.true(left.every((shard, i) => shard === null || shard === rebuilt[i]))
    }),
  )
})

test('a view into a larger buffer is read and written at its own place', (t) => {
  const codec = createCodec({ dataShards: 2, parityShards: 1 })
  const arena = bytes(9, 1, 2, 9, 4, 8, 9, 0, 0, 9)
  codec.encodeSync([arena.subarray(1, 3), arena.subarray(4, 6)], [arena.subarray(7, 9)])
  t.deepEqual(arena, bytes(9, 1, 2, 9, 4, 8, 9, 5, 10, 9))
})

for (const [dataShards, parityShards] of [
  [0, 1],
  [1, 0],
  [200, 57],
  [-1, 2],
  [1.5, 2],
  [Number.NaN, 2],
  [2 ** 32 + 1, 2],
] as const) {
  test(`${dataShards}+${parityShards} is no codec`, (t) => {
    refuses(t, 'PUR_EC_INVALID', () => createCodec({ dataShards, parityShards }), /must be/)
  })
}

test('128+128 is the widest codec', (t) => {
  t.notThrows(() => createCodec({ dataShards: 128, parityShards: 128 }))
})

test('too many losses are an error that says how many shards are left and needed', (t) => {
  const codec = createCodec({ dataShards: 4, parityShards: 2 })
  const shards = [null, null, null, bytes(1), bytes(2), bytes(3)]
  const sentence = 'cannot rebuild the stripe: 3 shards are left and 4 are needed'
  refuses(t, 'PUR_EC_TOO_FEW_SHARDS', () => codec.reconstructSync(shards), sentence)
})

test('wrong counts and unlike lengths are errors, and no parity is written', (t) => {
  const codec = createCodec({ dataShards: 2, parityShards: 1 })
  const parity = bytes(7, 7)
  const pair = [bytes(1, 2), bytes(3, 4)]
  const calls: readonly (() => unknown)[] = [
    () => codec.encodeSync([bytes(1, 2)], [parity]),
    () => codec.encodeSync([bytes(1, 2), bytes(3)], [parity]),
    () => codec.encodeSync([bytes(), bytes()], [parity]),
    () => codec.encodeSync(pair, []),
    () => codec.encodeSync(pair, [parity, parity]),
    () => codec.encodeSync(pair, [bytes(7)]),
    () => codec.reconstructSync(pair),
    () => codec.reconstructSync([null, bytes(1), bytes(1, 2)]),
  ]
  for (const call of calls) refuses(t, 'PUR_EC_INVALID', call, /were|must/)
  t.deepEqual(parity, bytes(7, 7))
})

test('shards in memory shared with other threads are refused', (t) => {
  const codec = createCodec({ dataShards: 1, parityShards: 1 })
  const shared = new Uint8Array(new SharedArrayBuffer(4))
  refuses(t, 'PUR_EC_INVALID', () => codec.encodeSync([shared], [bytes(0, 0, 0, 0)]), /shared/)
  refuses(t, 'PUR_EC_INVALID', () => codec.reconstructSync([shared, null]), /shared/)
})
