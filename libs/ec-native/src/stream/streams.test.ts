import { Readable, type Transform } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { PurlinError } from '@purlin/base'
import test from 'ava'
import fc from 'fast-check'
import { noise } from '../../tests/bytes.ts'
import {
  DecodeStream,
  EncodeStream,
  FRAME_HEAD_BYTES,
  readFrameHead,
  type StripeDamage,
} from '../index.ts'

const SHAPE = { dataShards: 4, parityShards: 2, shardBytes: 100 } as const

async function framesOf(bytes: Uint8Array, shape = SHAPE as object): Promise<Buffer[]> {
  const stream = new EncodeStream({ ...SHAPE, ...shape })
  return await Readable.from(chunksOf(bytes, 97)).pipe(stream).toArray()
}

function chunksOf(bytes: Uint8Array, sizeBytes: number): Buffer[] {
  const whole = Buffer.from(bytes)
  const count = Math.ceil(whole.length / sizeBytes)
  return Array.from({ length: count }, (_, i) => whole.subarray(i * sizeBytes, (i + 1) * sizeBytes))
}

async function decode(chunks: readonly Uint8Array[], stream = new DecodeStream()) {
  const damage: StripeDamage[] = []
  stream.on('damage', (each: StripeDamage) => damage.push(each))
  const [bytes] = await Promise.all([
    buffer(stream),
    pipeline(Readable.from(chunks, { objectMode: true }), stream as Transform),
  ])
  return { bytes, damage, report: stream.report }
}

const shardOf = (frame: Uint8Array) => readFrameHead(frame)?.shard ?? -1
const stripeOf = (frame: Uint8Array) => readFrameHead(frame)?.stripe ?? -1

test('any bytes come back through both streams in any chunking, an empty input too', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.nat(1700), fc.integer({ min: 1, max: 900 }), async (length, size) => {
      const bytes = noise(length, length + 1)
      const frames = await framesOf(bytes)
      const { bytes: found, damage } = await decode(chunksOf(Buffer.concat(frames), size))
      t.true(found.equals(bytes))
      t.deepEqual(damage, [])
    }),
    { numRuns: 60 },
  )
})

test('each chunk read is a frame that tells its shard, its stripe and its length', async (t) => {
  const frames = await framesOf(noise(410))
  t.deepEqual(frames.map(shardOf), [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5])
  t.deepEqual(frames.map(stripeOf), [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
  const last = readFrameHead(frames[11] ?? Buffer.alloc(0))
  t.like(last, { payloadBytes: 3, stripeDataBytes: 10, last: true, technique: 'reed_sol_van' })
  t.is(frames[11]?.length, FRAME_HEAD_BYTES + 3)
  t.is((await framesOf(new Uint8Array())).length, 6)
})

test('decoding goes on with missing and rotten shards, and names them by stripe', async (t) => {
  const bytes = noise(1000)
  const frames = (await framesOf(bytes)).filter((frame) => shardOf(frame) !== 1)
  const rotten = frames.find((frame) => stripeOf(frame) === 1 && shardOf(frame) === 3)
  rotten?.writeUInt8(rotten.readUInt8(FRAME_HEAD_BYTES + 9) ^ 4, FRAME_HEAD_BYTES + 9)
  const { bytes: found, damage, report } = await decode(frames)
  t.true(found.equals(bytes))
  t.deepEqual(damage, [
    { stripe: 0, missing: [1], rotten: [] },
    { stripe: 1, missing: [1], rotten: [3] },
    { stripe: 2, missing: [1], rotten: [] },
  ])
  t.is(report.rebuiltStripes, 3)
  t.deepEqual(
    [...report.missing, ...report.rotten],
    [
      [1, 3],
      [3, 1],
    ],
  )
})

test('up to m losses and rots of each stripe, in any order within the window, are made good', async (t) => {
  const damages = fc.record({
    seed: fc.integer({ min: 1, max: 1e6 }),
    length: fc.integer({ min: 1, max: 3000 }),
    bad: fc.array(fc.tuple(fc.nat(5), fc.nat(5), fc.boolean()), { minLength: 8, maxLength: 8 }),
    order: fc.infiniteStream(fc.nat(1000)),
  })
  await fc.assert(
    fc.asyncProperty(damages, async ({ seed, length, bad, order }) => {
      const bytes = noise(length, seed)
      const frames = (await framesOf(bytes)).flatMap((frame) => {
        const [first, second, rot] = bad[stripeOf(frame)] ?? [9, 9, false]
        if (shardOf(frame) === first) return []
        if (shardOf(frame) !== second) return frame
        if (rot) frame.writeUInt8(frame.readUInt8(frame.length - 1) ^ 1, frame.length - 1)
        return rot ? frame : []
      })
      const keyed = frames.map((frame) => ({ frame, key: order.next().value ?? 0 }))
      const mixed = keyed.sort((a, b) => a.key - b.key).map(({ frame }) => frame)
      t.true((await decode(mixed)).bytes.equals(bytes))
    }),
    { numRuns: 60 },
  )
})

test('bytes that were lost or put in between cost the frames they hit and no more', async (t) => {
  const bytes = noise(1200)
  const whole = Buffer.concat(await framesOf(bytes))
  const frameBytes = FRAME_HEAD_BYTES + 100
  for (const damaged of [
    Buffer.concat([whole.subarray(0, 300), whole.subarray(350)]),
    Buffer.concat([whole.subarray(0, 300), noise(77), whole.subarray(300)]),
    Buffer.concat([noise(500), whole, noise(300)]),
    Buffer.concat([whole.subarray(0, 6 * frameBytes), whole.subarray(8 * frameBytes)]),
  ]) {
    t.true((await decode(chunksOf(damaged, 61))).bytes.equals(bytes))
    t.true((await decode([damaged])).bytes.equals(bytes))
  }
})

test('frames of another encoding are left aside and counted', async (t) => {
  const bytes = noise(800)
  const [own, foreign] = [await framesOf(bytes), await framesOf(noise(800, 2))]
  const { bytes: found, report } = await decode(
    own.flatMap((frame, i) => [frame, foreign[i] ?? frame]),
  )
  t.true(found.equals(bytes))
  t.is(report.foreignFrames, own.length)
})

test('too many losses are an error with the stripe and the shards, and so is a cut input', async (t) => {
  const frames = await framesOf(noise(1000))
  const lossy = frames.filter((frame) => stripeOf(frame) !== 1 || shardOf(frame) > 2)
  const sentence = 'stripe 1: 3 good shards came and 4 are needed; missing: 0, 1, 2; rotten: none'
  await t.throwsAsync(decode(lossy), {
    instanceOf: PurlinError,
    code: 'PUR_EC_TOO_FEW_SHARDS',
    message: sentence,
  })
  for (const [input, ending] of [
    [frames.slice(0, 9), /ends behind stripe 1 and before the last stripe/],
    [[noise(1000)], /no shard frame was found/],
    [[], /no shard frame was found/],
  ] as const) {
    await t.throwsAsync(decode(input), { code: 'PUR_EC_STREAM', message: ending })
  }
})

test('a stripe that comes too late for the window is lost, however much follows', async (t) => {
  const frames = await framesOf(noise(4000))
  const late = [...frames.slice(6), ...frames.slice(0, 6)]
  await t.throwsAsync(decode(late, new DecodeStream({ windowStripes: 3 })), {
    code: 'PUR_EC_TOO_FEW_SHARDS',
    message: /^stripe 0: 0 good shards/,
  })
  t.true((await decode(late, new DecodeStream({ windowStripes: 10 }))).bytes.equals(noise(4000)))
})
