/** Worker: Purlin from Node, in the line protocol. Operations, all of which encode: `sync`, a call
 *  a stripe; `batch`, a call for all stripes; `awaited`, an asynchronous call a stripe, each
 *  awaited; `queued`, those with 16 in flight. CPU time is that of the whole process, with its
 *  pool. */
import { createInterface } from 'node:readline'
import { type Codec, createCodec } from '@purlin/ec-native'

const BYTES_BETWEEN_CLOCKS = 2 << 20
const IN_FLIGHT = 16
/** So long V8 is at work in its own threads on what has just begun to run often. */
const WARM_UP_MS = 400
const warm = new Set<string>()
/** A ring of many stripes is filled once. */
let kept: { readonly shape: string; readonly given: Case } | undefined

interface Case {
  readonly codec: Codec
  readonly arena: Uint8Array
  readonly stripes: readonly Uint8Array[]
  readonly size: number
}

/** Makes `turns` calls and gives how many stripes were encoded. */
type Calls = (given: Case, turns: number) => number | Promise<number>

async function measure(line: string) {
  const [operation = '', ...words] = line.split(' ')
  const [k = 0, m = 0, size = 0, count = 1, ms = 0] = words.map(Number)
  const calls = operations[operation]
  const bytes = k * size
  if (calls === undefined) return { iters: 0, bytes, ns: 1, ok: true }
  const shape = words.slice(0, 4).join(' ')
  if (kept?.shape !== shape) {
    const codec = createCodec({ dataShards: k, parityShards: m })
    kept = { shape, given: newCase(codec, size, count) }
  }
  const { given } = kept
  // Until the compiler has looked at a path, its calls say nothing.
  const warmUpMs = warm.has(operation) ? 0 : WARM_UP_MS
  warm.add(operation)
  const turns = 1 + Math.floor(BYTES_BETWEEN_CLOCKS / (bytes * count))
  for (const begunMs = performance.now(); performance.now() - begunMs < warmUpMs; ) {
    await calls(given, turns * count)
  }
  let iters = 0
  let ns = 0
  const begunNs = cpuNs()
  while (ns < ms * 1e6) {
    iters += await calls(given, turns * count)
    ns = cpuNs() - begunNs
  }
  return { iters, bytes, ns, ok: isRight(given) }
}

const operations: Readonly<Record<string, Calls>> = {
  sync: ({ codec, stripes, size }, turns) => {
    for (let turn = 0; turn < turns; turn++) {
      codec.encodeStripeSync(stripes[turn % stripes.length] as Uint8Array, size)
    }
    return turns
  },
  batch: ({ codec, arena, stripes, size }, turns) => {
    const batches = Math.ceil(turns / stripes.length)
    for (let batch = 0; batch < batches; batch++) codec.encodeBatchSync(arena, size)
    return batches * stripes.length
  },
  awaited: async ({ codec, stripes, size }, turns) => {
    for (let turn = 0; turn < turns; turn++) {
      await codec.encodeStripe(stripes[turn % stripes.length] as Uint8Array, size)
    }
    return turns
  },
  queued: async ({ codec, stripes, size }, turns) => {
    for (let turn = 0; turn < turns; turn += IN_FLIGHT) {
      const calls = Array.from({ length: IN_FLIGHT }, (_, place) =>
        codec.encodeStripe(stripes[place % stripes.length] as Uint8Array, size),
      )
      await Promise.all(calls)
    }
    return Math.ceil(turns / IN_FLIGHT) * IN_FLIGHT
  },
}

function newCase(codec: Codec, size: number, count: number): Case {
  const arena = codec.allocStripe(size, count)
  const stripeBytes = arena.length / count
  let state = 88_172_645
  for (let at = 0; at < arena.length; at++) {
    state = Math.imul(state, 1_664_525) + 1_013_904_223
    arena[at] = state >>> 24
  }
  const stripes = Array.from({ length: count }, (_, stripe) =>
    arena.subarray(stripe * stripeBytes, (stripe + 1) * stripeBytes),
  )
  return { codec, arena, stripes, size }
}

/** Whether the parity of every stripe fits its data, and was written at all. */
function isRight({ codec, stripes, size }: Case): boolean {
  return stripes.every((stripe) => {
    const shards = codec.shardsOf(stripe)
    const data = shards.slice(0, codec.dataShards)
    const parity = shards.slice(codec.dataShards)
    return size > 0 && codec.verifySync(data, parity).length === 0
  })
}

function cpuNs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) * 1000
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await measure(line))}\n`)
}
