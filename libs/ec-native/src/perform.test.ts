import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { PurlinError, run } from '@purlin/base'
import test from 'ava'
import { noise, stripeOf, zeros } from '../tests/bytes.ts'
import { createCodec } from './index.ts'

type Shards = readonly (Uint8Array | undefined)[]

/** Whether two lists hold the same bytes; a difference of megabytes is not worth printing. */
function same(found: Shards, expected: Shards): boolean {
  return (
    found.length === expected.length &&
    found.every((shard, i) => Buffer.from(shard ?? []).equals(expected[i] ?? Buffer.of(1)))
  )
}

const MIB = 1024 * 1024
const codec = createCodec({ dataShards: 4, parityShards: 2 })

/** The same stripe in memory of the codec and in memory of others. */
function twins(shardBytes: number): readonly (readonly [string, Uint8Array[]])[] {
  const stripe = stripeOf(codec, shardBytes)
  const own = codec.shardsOf(codec.allocStripe(shardBytes))
  for (const [i, shard] of stripe.entries()) own[i]?.set(shard)
  return [
    ['own', own],
    ['foreign', stripe],
  ]
}

for (const [place, shardBytes] of [
  ['inline', 1000],
  ['at length', 3 * MIB + 77],
] as const) {
  test(`${place}: every asynchronous form gives what its synchronous form gives`, async (t) => {
    for (const [kind, shards] of twins(shardBytes)) {
      const data = shards.slice(0, 4)
      const parity = shards.slice(4)
      const expected = parity.map((shard) => shard.slice())
      for (const shard of parity) shard.fill(0)
      await codec.encode(data, parity)
      t.true(same(parity, expected), `${kind} encode`)
      t.deepEqual(await codec.verify(data, parity), [])

      const rebuilt = await codec.reconstruct([null, ...shards.slice(1, 4), undefined, parity[1]])
      t.true(same(rebuilt, shards), kind)
      using plan = codec.decodePlan([1, 2, 3, 4], [0])
      const [lost] = zeros(1, shardBytes)
      await plan.reconstruct(shards.slice(1, 5), [lost as Uint8Array])
      t.true(same([lost], [data[0]]), kind)
      const [sum] = zeros(1, shardBytes)
      for (const source of plan.sources) {
        await plan.accumulate(source, shards[source] as Uint8Array, [sum as Uint8Array])
      }
      t.true(same([sum], [lost]), kind)

      const fresh = noise(shardBytes, 77)
      const again = zeros(2, shardBytes)
      codec.encodeSync(data.with(2, fresh), again)
      await codec.update(2, data[2] as Uint8Array, fresh, parity)
      t.true(same(parity, again), `${kind} update`)
      const delta = fresh.map((byte, i) => byte ^ (data[2]?.[i] ?? 0))
      await codec.applyDelta(2, delta, parity)
      t.true(same(parity, expected), `${kind} delta`)
      for (const shard of parity) shard.fill(0)
      for (const [i, shard] of data.entries()) await codec.accumulate(i, shard, parity)
      t.true(same(parity, expected), `${kind} accumulate`)
      parity[1]?.set([(expected[1]?.[shardBytes - 1] ?? 0) ^ 1], shardBytes - 1)
      t.deepEqual(await codec.verify(data, parity), [1])
    }
  })
}

test('stripes and batches too, in memory of the codec and of others', async (t) => {
  for (const [shardBytes, stripes] of [
    [4096, 3],
    [64 * 1024, 60],
    [2 * MIB, 2],
  ] as const) {
    const own = codec.allocStripe(shardBytes, stripes)
    own.set(noise(own.length))
    const expected = Buffer.from(own)
    codec.encodeBatchSync(expected, shardBytes)
    const foreign = own.slice()
    await codec.encodeBatch(own, shardBytes)
    await codec.encodeBatch(foreign, shardBytes, stripes)
    t.true(expected.equals(own) && expected.equals(foreign))
    const one = noise(6 * shardBytes)
    const stripe = expected.subarray(0, 6 * shardBytes)
    stripe.set(one)
    codec.encodeStripeSync(stripe, shardBytes)
    await codec.encodeStripe(one, shardBytes)
    t.true(stripe.equals(one))
  }
})

test('other events have their turn while large work is done', async (t) => {
  const [data, parity] = [zeros(4, 8 * MIB), zeros(2, 8 * MIB)]
  let turns = 0
  let done = false
  const count = () => {
    turns += 1
    if (!done) setImmediate(count)
  }
  setImmediate(count)
  await codec.encode(data, parity)
  done = true
  t.true(turns >= 8, `${turns}`)
})

test('many calls on one codec at once do not mix their stripes', async (t) => {
  const stripes = Array.from({ length: 40 }, (_, i) => {
    const own = codec.allocStripe(512 * 1024)
    own.set(noise(4 * 512 * 1024, i + 1))
    return own
  })
  const expected = stripes.map((stripe) => {
    const copy = stripe.slice()
    codec.encodeStripeSync(copy, 512 * 1024)
    return Buffer.from(copy)
  })
  await Promise.all(stripes.map((stripe) => codec.encodeStripe(stripe, 512 * 1024)))
  t.true(stripes.every((stripe, i) => expected[i]?.equals(stripe)))
})

test('threads of JavaScript have codecs of their own, side by side', async (t) => {
  const program = new URL('../tests/worker.ts', import.meta.url)
  const execArgv = ['--conditions=purlin-source', '--disable-warning=ExperimentalWarning']
  const threads = Array.from({ length: 3 }, () => new Worker(program, { execArgv }))
  const answers = threads.map(async (thread) => {
    const [[right], [exitCode]] = await Promise.all([once(thread, 'message'), once(thread, 'exit')])
    return { right, exitCode }
  })
  t.deepEqual(await Promise.all(answers), new Array(3).fill({ right: 200, exitCode: 0 }))
})

test('work whose signal is aborted ends with PUR_CANCELLED, before it or within it', async (t) => {
  const cancelled = { instanceOf: PurlinError, code: 'PUR_CANCELLED' }
  const [data, parity] = [zeros(4, 4), zeros(2, 4)]
  const signal = AbortSignal.abort(new Error('enough'))
  for (const call of [
    () => codec.encode(data, parity, { signal }),
    () => codec.verify(data, parity, { signal }),
    () => codec.reconstruct([null, ...zeros(5, 4)], { signal }),
    () => codec.encodeBatch(new Uint8Array(24), 4, 1, { signal }),
  ]) {
    t.is((await t.throwsAsync(call, cancelled))?.cause, signal.reason)
  }
  for (const memory of [codec.allocStripe(16 * MIB), new Uint8Array(6 * 16 * MIB)]) {
    const controller = new AbortController()
    const running = codec.encodeBatch(memory, 16 * MIB, 1, { signal: controller.signal })
    controller.abort()
    await t.throwsAsync(running, cancelled)
  }
})

test('bad input rejects the promise and never throws', async (t) => {
  const running = codec.encode(zeros(3, 4), zeros(2, 4))
  await t.throwsAsync(running, { instanceOf: PurlinError, code: 'PUR_EC_INVALID' })
  const parity = zeros(1, 2 * MIB)
  await t.throwsAsync(codec.encode(zeros(4, 2 * MIB), [...parity, ...parity]), {
    code: 'PUR_EC_OVERLAP',
  })
  const uneven = [...zeros(3, 2 * MIB), ...zeros(1, MIB)]
  await t.throwsAsync(codec.encode(uneven, zeros(2, 2 * MIB)), { code: 'PUR_EC_INVALID' })
})

test('memory that is taken away and freed under running work is an error, never a crash', async (t) => {
  const program = new URL('../tests/taken-memory.ts', import.meta.url).pathname
  const flags = ['--conditions=purlin-source', '--disable-warning=ExperimentalWarning']
  const ended = await run(process.execPath, ['--expose-gc', ...flags, program], {
    timeoutMs: 60_000,
  })
  t.is(ended.stderr, '')
  const endings = new Map<string, number>(JSON.parse(ended.stdout))
  t.deepEqual(
    [...endings.keys()],
    ['foreign rejected PUR_EC_INVALID', 'own fulfilled', 'own rejected PUR_EC_INVALID'].filter(
      (key) => endings.has(key),
    ),
  )
  t.is(endings.get('foreign rejected PUR_EC_INVALID'), 36)
})
