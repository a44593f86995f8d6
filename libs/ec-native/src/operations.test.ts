import test from 'ava'
import fc from 'fast-check'
import { noise, stripeOf, zeros } from '../tests/bytes.ts'
import { type Codec, crc32c, createCodec, type Technique } from './index.ts'

const shapes = fc
  .record({
    dataShards: fc.integer({ min: 1, max: 20 }),
    parityShards: fc.integer({ min: 1, max: 6 }),
    technique: fc.constantFrom<(Technique | undefined)[]>('cauchy', undefined),
    store: fc.constantFrom<('cached' | 'stream')[]>('cached', 'stream'),
  })
  .map(({ technique, ...rest }) => createCodec({ ...rest, ...(technique && { technique }) }))
const lengths = fc.integer({ min: 1, max: 700 })
const seeds = fc.integer({ min: 1, max: 1_000_000 })

function split(codec: Codec, stripe: readonly Uint8Array[]) {
  return [stripe.slice(0, codec.dataShards), stripe.slice(codec.dataShards)] as const
}

test('a stripe in one piece and a batch have the parity of single shards', (t) => {
  fc.assert(
    fc.property(shapes, lengths, fc.integer({ min: 1, max: 4 }), seeds, (codec, size, n, seed) => {
      const stripes = Array.from({ length: n }, (_, i) => stripeOf(codec, size, seed + i))
      const arena = codec.allocStripe(size, n)
      for (const [i, stripe] of stripes.entries()) {
        const [data] = split(codec, stripe)
        arena.set(Buffer.concat(data), (i * arena.length) / n)
      }
      const whole = Buffer.concat(stripes.flat())
      const single = arena.slice(0, arena.length / n)
      codec.encodeStripeSync(single, size)
      t.true(whole.subarray(0, single.length).equals(single))
      codec.encodeBatchSync(arena, size)
      t.true(whole.equals(arena))
    }),
  )
})

test('verify names the parity rows that differ, and only those', (t) => {
  fc.assert(
    fc.property(shapes, lengths, seeds, (codec, size, seed) => {
      const [data, parity] = split(codec, stripeOf(codec, size, seed))
      t.deepEqual(codec.verifySync(data, parity), [])
      const bad = parity.flatMap((_, row) => ((seed >> row) & 1 ? row : []))
      for (const row of bad)
        parity[row]?.fill(
          ((parity[row]?.[seed % size] ?? 0) + 1) & 255,
          seed % size,
          (seed % size) + 1,
        )
      t.deepEqual(codec.verifySync(data, parity), bad)
    }),
  )
})

test('update, delta and accumulation give the parity of encoding anew', (t) => {
  fc.assert(
    fc.property(shapes, lengths, seeds, (codec, size, seed) => {
      const [data, parity] = split(codec, stripeOf(codec, size, seed))
      const index = seed % codec.dataShards
      const fresh = noise(size, seed + 99)
      const old = data[index] ?? fresh
      const delta = old.map((byte, i) => byte ^ (fresh[i] ?? 0))
      const changed = data.with(index, fresh)
      const expected = zeros(codec.parityShards, size)
      codec.encodeSync(changed, expected)

      const byDelta = parity.map((shard) => shard.slice())
      codec.applyDeltaSync(index, delta, byDelta)
      t.deepEqual(byDelta, expected)
      codec.updateSync(index, old, fresh, parity)
      t.deepEqual(parity, expected)
      const sums = zeros(codec.parityShards, size)
      for (const [i, shard] of [...changed.entries()].toReversed()) {
        codec.accumulateSync(i, shard, sums)
      }
      t.deepEqual(sums, expected)
    }),
  )
})

test('a kept plan rebuilds the wanted shards, as a whole and site by site', (t) => {
  fc.assert(
    fc.property(shapes, lengths, seeds, (codec, size, seed) => {
      const stripe = stripeOf(codec, size, seed)
      const total = stripe.length
      const lost = [
        ...new Set(Array.from({ length: codec.parityShards }, (_, i) => (seed * (i + 3)) % total)),
      ].sort((a, b) => a - b)
      const present = stripe.flatMap((_, i) => (lost.includes(i) ? [] : i))
      using plan = codec.decodePlan(present, lost)
      t.deepEqual(plan.wanted, lost)
      t.true(plan.sources.length <= codec.dataShards)
      const sources = plan.sources.map((i) => stripe[i] ?? new Uint8Array())
      const expected = lost.map((i) => stripe[i])
      const outputs = zeros(lost.length, size)
      plan.reconstructSync(sources, outputs)
      t.deepEqual(outputs, expected)
      const sums = zeros(lost.length, size)
      for (const [place, source] of plan.sources.entries()) {
        plan.accumulateSync(source, sources[place] ?? new Uint8Array(), sums)
      }
      t.deepEqual(sums, expected)
    }),
  )
})

test('only what is wanted is rebuilt, into the buffers that were given', (t) => {
  const codec = createCodec({ dataShards: 4, parityShards: 3 })
  const stripe = stripeOf(codec, 100)
  const left = stripe.map((shard, i) => ([1, 3, 5].includes(i) ? undefined : shard))
  const data = codec.reconstructSync(left, { wanted: 'data' })
  t.deepEqual(data, stripe.with(5, undefined as never))
  const outputs = zeros(2, 100)
  const some = codec.reconstructSync(left, { wanted: [5, 1, 2, 1], outputs })
  t.deepEqual(outputs, [stripe[1], stripe[5]])
  t.deepEqual([some[1], some[3], some[5]], [outputs[0], undefined, outputs[1]])
  t.is(some[2], left[2])
  t.deepEqual(codec.reconstructSync(stripe), stripe)
})

test('the digests of a stripe name the rows that verify names', (t) => {
  fc.assert(
    fc.property(shapes, lengths, seeds, (codec, size, seed) => {
      const [data, parity] = split(codec, stripeOf(codec, size, seed))
      const digests = (shards: readonly Uint8Array[]) => shards.map((shard) => codec.digest(shard))
      t.deepEqual(codec.verifyDigests(digests(data), digests(parity)), [])
      const row = seed % codec.parityShards
      parity[row]?.set([(parity[row]?.[0] ?? 0) ^ 1])
      t.deepEqual(codec.verifyDigests(digests(data), digests(parity)), [row])
    }),
  )
})

test('checksums are those of RFC 3720, in parts too', (t) => {
  t.is(crc32c(Buffer.from('123456789')), 0xe306_9283)
  t.is(crc32c(new Uint8Array(32)), 0x8a91_36aa)
  t.is(crc32c(Buffer.from('6789'), crc32c(Buffer.from('12345'))), 0xe306_9283)
})

test('the write method with the fewest reads is chosen', (t) => {
  const codec = createCodec({ dataShards: 8, parityShards: 3 })
  t.deepEqual(codec.writeMethod({ changed: [5] }), {
    ...{ method: 'delta', reads: [5, 8, 9, 10], rebuilds: [], writes: [5, 8, 9, 10] },
  })
  t.is(codec.writeMethod({ changed: [0, 1, 2, 3, 4, 5, 6] }).method, 'reconstruct')
  t.is(codec.writeMethod({ changed: [0, 1, 2, 3, 4, 5, 6, 7] }).method, 'full')
  t.deepEqual(codec.writeMethod({ changed: [5], cached: [5, 8, 9, 10] }).reads, [])
})

test('the default technique is reed_sol_van inside its region and cauchy outside', (t) => {
  for (const [dataShards, parityShards, technique] of [
    [4, 2, 'reed_sol_van'],
    [253, 3, 'reed_sol_van'],
    [21, 4, 'reed_sol_van'],
    [22, 4, 'cauchy'],
    [5, 5, 'reed_sol_van'],
    [6, 5, 'cauchy'],
    [128, 128, 'cauchy'],
  ] as const) {
    t.is(createCodec({ dataShards, parityShards }).technique, technique)
  }
})

test('allocated memory is zeroed, begins at a page, and is cut into its shards', (t) => {
  const codec = createCodec({ dataShards: 4, parityShards: 2 })
  const stripe = codec.allocStripe(100)
  t.true(stripe.every((byte) => byte === 0))
  const shards = codec.shardsOf(stripe)
  t.deepEqual(
    shards.map(({ length }) => length),
    new Array(6).fill(100),
  )
  shards[5]?.set([7])
  t.is(stripe[500], 7)
  t.throws(() => codec.shardsOf(stripe.subarray(1)), { message: /599 bytes/ })
})

test('codecs made and left in great number are released', (t) => {
  const stripe = new Uint8Array(6)
  for (let i = 0; i < 20_000; i += 1) {
    using codec = createCodec({ dataShards: 4, parityShards: 2 })
    codec.encodeStripeSync(stripe, 1)
    codec.decodePlan([1, 2, 3, 4], [0])[Symbol.dispose]()
  }
  t.deepEqual(stripe, new Uint8Array(6))
})
