/** Calls that no caller should make, each of which must end in a typed error. Run as a program it
 *  makes all of them and prints how many were refused, so that a test can see that none of them
 *  ends the process. */
import { runInNewContext, runInThisContext } from 'node:vm'
import { type Codec, crc32c, createCodec, DecodeStream, EncodeStream } from '../src/index.ts'
import { zeros } from './bytes.ts'

export interface BadCall {
  readonly title: string
  readonly code:
    | 'PUR_EC_INVALID'
    | 'PUR_EC_OVERLAP'
    | 'PUR_EC_TOO_FEW_SHARDS'
    | 'PUR_EC_MEMORY'
    | 'PUR_EC_NOT_MDS'
  readonly call: () => unknown
}

const SIZE = 64

/** A value where the types forbid it. */
const wrong = <Value>(value: unknown): Value => value as Value

const numbers = [
  -1,
  1.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 53,
  '4',
  null,
  undefined,
  {},
  4n,
]

/** Every bad call, on codecs of 4+2. */
export function badCalls(): readonly BadCall[] {
  const codec = createCodec({ dataShards: 4, parityShards: 2 })
  const invalid = (title: string, call: () => unknown): BadCall => ({
    ...{ title, code: 'PUR_EC_INVALID', call },
  })
  const overlap = (title: string, call: () => unknown): BadCall => ({
    ...{ title, code: 'PUR_EC_OVERLAP', call },
  })
  return [
    ...numbers.flatMap((value) => [
      invalid(`dataShards ${shown(value)}`, () =>
        createCodec({ dataShards: wrong(value), parityShards: 2 }),
      ),
      invalid(`parityShards ${shown(value)}`, () =>
        createCodec({ dataShards: 4, parityShards: wrong(value) }),
      ),
      invalid(`shardBytes ${shown(value)}`, () =>
        codec.encodeStripeSync(new Uint8Array(6 * SIZE), wrong(value)),
      ),
      invalid(`shardBytes of a batch ${shown(value)}`, () =>
        codec.encodeBatchSync(new Uint8Array(6 * SIZE), wrong(value)),
      ),
      invalid(`shardBytes of an allocation ${shown(value)}`, () => codec.allocStripe(wrong(value))),
      invalid(`index ${shown(value)}`, () =>
        codec.updateSync(wrong(value), ...pair(), zeros(2, SIZE)),
      ),
      invalid(`present ${shown(value)}`, () => codec.decodePlan([0, 1, 2, wrong(value)], [4])),
      invalid(`wanted ${shown(value)}`, () => codec.decodePlan([0, 1, 2, 3], [wrong(value)])),
      invalid(`changed ${shown(value)}`, () => codec.writeMethod({ changed: [wrong(value)] })),
      ...(value === undefined
        ? []
        : [
            invalid(`stripes ${shown(value)}`, () =>
              codec.encodeBatchSync(new Uint8Array(6 * SIZE), SIZE, wrong(value)),
            ),
            invalid(
              `shardBytes of a stream ${shown(value)}`,
              () => new EncodeStream({ dataShards: 4, parityShards: 2, shardBytes: wrong(value) }),
            ),
          ]),
    ]),
    invalid('no options', () => createCodec(wrong(undefined))),
    invalid('null options', () => createCodec(wrong(null))),
    invalid('129+128', () => createCodec({ dataShards: 129, parityShards: 128 })),
    invalid('an unknown technique', () =>
      createCodec({ dataShards: 4, parityShards: 2, technique: wrong('liberation') }),
    ),
    invalid('a technique of another type', () =>
      createCodec({ dataShards: 4, parityShards: 2, technique: wrong(7) }),
    ),
    invalid('an unknown store', () =>
      createCodec({ dataShards: 4, parityShards: 2, store: wrong('disk') }),
    ),
    {
      title: 'reed_sol_van outside its region',
      code: 'PUR_EC_NOT_MDS',
      call: () => createCodec({ dataShards: 22, parityShards: 4, technique: 'reed_sol_van' }),
    },
    {
      title: 'more memory than there is',
      code: 'PUR_EC_MEMORY',
      call: () => codec.allocStripe(2 ** 44),
    },
    ...badBuffers().flatMap(([title, buffer]) => [
      invalid(`data ${title}`, () =>
        codec.encodeSync([buffer(), ...zeros(3, SIZE)], zeros(2, SIZE)),
      ),
      invalid(`parity ${title}`, () =>
        codec.encodeSync(zeros(4, SIZE), [buffer(), ...zeros(1, SIZE)]),
      ),
      invalid(`stripe ${title}`, () => codec.encodeStripeSync(buffer(), SIZE)),
      invalid(`arena ${title}`, () => codec.encodeBatchSync(buffer(), SIZE)),
      invalid(`verified ${title}`, () =>
        codec.verifySync(zeros(4, SIZE), [buffer(), ...zeros(1, SIZE)]),
      ),
      invalid(`old shard ${title}`, () => codec.updateSync(0, buffer(), zero(), zeros(2, SIZE))),
      invalid(`new shard ${title}`, () => codec.updateSync(0, zero(), buffer(), zeros(2, SIZE))),
      invalid(`delta ${title}`, () => codec.applyDeltaSync(0, buffer(), zeros(2, SIZE))),
      invalid(`accumulated ${title}`, () => codec.accumulateSync(0, buffer(), zeros(2, SIZE))),
      invalid(`source ${title}`, () =>
        plan(codec).reconstructSync([buffer(), ...zeros(3, SIZE)], zeros(1, SIZE)),
      ),
      invalid(`output ${title}`, () => plan(codec).reconstructSync(zeros(4, SIZE), [buffer()])),
      ...(title === 'null' || title === 'undefined'
        ? []
        : [
            invalid(`left shard ${title}`, () =>
              codec.reconstructSync([buffer(), null, ...zeros(4, SIZE)]),
            ),
          ]),
    ]),
    invalid('a detached shard under checksum', () => crc32c(detached())),
    invalid('a number under checksum', () => crc32c(wrong(7))),
    invalid('a checksum to go on from that is none', () => crc32c(zero(), -1)),
    invalid('a digest of a number', () => codec.digest(wrong(7))),
    invalid('digests of another length', () => codec.verifyDigests(zeros(4, 63), zeros(2, 64))),
    invalid('digests of another count', () => codec.verifyDigests(zeros(3, 64), zeros(2, 64))),
    invalid('three data shards', () => codec.encodeSync(zeros(3, SIZE), zeros(2, SIZE))),
    invalid('five data shards', () => codec.encodeSync(zeros(5, SIZE), zeros(2, SIZE))),
    invalid('300 data shards', () => codec.encodeSync(zeros(300, 1), zeros(2, 1))),
    invalid('data that is no list', () => codec.encodeSync(wrong(zero()), zeros(2, SIZE))),
    invalid('data as a proxy', () =>
      codec.encodeSync(new Proxy(zeros(4, SIZE), {}), zeros(2, SIZE)),
    ),
    invalid('data as a revoked proxy', () => codec.encodeSync(revoked(), zeros(2, SIZE))),
    invalid('a list with a hole', () => {
      const data = zeros(4, SIZE)
      delete data[2]
      codec.encodeSync(data, zeros(2, SIZE))
    }),
    invalid('a list that takes the memory of a shard away while it is read', () => {
      const data = zeros(4, SIZE)
      const [first] = data
      Object.defineProperty(data, 3, {
        get: () => {
          take(first)
          return zero()
        },
      })
      codec.encodeSync(data, zeros(2, SIZE))
    }),
    invalid('empty shards', () => codec.encodeSync(zeros(4, 0), zeros(2, 0))),
    invalid('an empty stripe', () => codec.encodeStripeSync(new Uint8Array(), SIZE)),
    invalid('a data shard that is shorter', () =>
      codec.encodeSync([...zeros(3, SIZE), new Uint8Array(SIZE - 1)], zeros(2, SIZE)),
    ),
    invalid('a parity shard that is longer', () =>
      codec.encodeSync(zeros(4, SIZE), [...zeros(1, SIZE), new Uint8Array(SIZE + 1)]),
    ),
    invalid('a stripe of another length', () =>
      codec.encodeStripeSync(new Uint8Array(6 * SIZE - 1), SIZE),
    ),
    invalid('two stripes as one', () => codec.encodeStripeSync(new Uint8Array(12 * SIZE), SIZE)),
    invalid('an arena of one and a half stripes', () =>
      codec.encodeBatchSync(new Uint8Array(9 * SIZE), SIZE),
    ),
    invalid('more stripes than the arena holds', () =>
      codec.encodeBatchSync(new Uint8Array(12 * SIZE), SIZE, 3),
    ),
    invalid('a parity shard as the index of an update', () =>
      codec.updateSync(4, ...pair(), zeros(2, SIZE)),
    ),
    invalid('an old shard of another length', () =>
      codec.updateSync(0, new Uint8Array(1), zero(), zeros(2, SIZE)),
    ),
    invalid('five places of a stripe', () => codec.reconstructSync([null, ...zeros(4, SIZE)])),
    invalid('an empty shard that is left', () => codec.reconstructSync([null, ...zeros(5, 0)])),
    invalid('a wanted shard beyond the stripe', () =>
      codec.reconstructSync([null, ...zeros(5, SIZE)], { wanted: [6] }),
    ),
    invalid('wanted that is no list', () =>
      codec.reconstructSync([null, ...zeros(5, SIZE)], { wanted: wrong('some') }),
    ),
    invalid('an output too many', () =>
      codec.reconstructSync([null, ...zeros(5, SIZE)], { outputs: zeros(2, SIZE) }),
    ),
    invalid('an output of another length', () =>
      codec.reconstructSync([null, ...zeros(5, SIZE)], { outputs: zeros(1, SIZE - 1) }),
    ),
    invalid('a shard both present and wanted', () => codec.decodePlan([0, 1, 2, 3], [3])),
    invalid('too few sources of a plan', () =>
      plan(codec).reconstructSync(zeros(3, SIZE), zeros(1, SIZE)),
    ),
    invalid('too many outputs of a plan', () =>
      plan(codec).reconstructSync(zeros(4, SIZE), zeros(2, SIZE)),
    ),
    invalid('a source that the plan does not read', () =>
      plan(codec).accumulateSync(0, zero(), zeros(1, SIZE)),
    ),
    invalid('a disposed codec', () => {
      const gone = createCodec({ dataShards: 4, parityShards: 2 })
      gone[Symbol.dispose]()
      gone[Symbol.dispose]()
      gone.encodeSync(zeros(4, SIZE), zeros(2, SIZE))
    }),
    invalid('a disposed plan', () => {
      const gone = plan(codec)
      gone[Symbol.dispose]()
      gone.reconstructSync(zeros(4, SIZE), zeros(1, SIZE))
    }),
    {
      title: 'three shards lost of 4+2',
      code: 'PUR_EC_TOO_FEW_SHARDS',
      call: () => codec.reconstructSync([null, null, null, ...zeros(3, SIZE)]),
    },
    {
      title: 'every shard lost',
      code: 'PUR_EC_TOO_FEW_SHARDS',
      call: () => codec.reconstructSync(new Array(6).fill(null)),
    },
    {
      title: 'a plan from three shards',
      code: 'PUR_EC_TOO_FEW_SHARDS',
      call: () => codec.decodePlan([0, 1, 2], [4]),
    },
    overlap('a data shard as parity', () => {
      const data = zeros(4, SIZE)
      codec.encodeSync(data, [zero(), data[1] ?? zero()])
    }),
    overlap('one buffer for both parity shards', () => {
      const parity = zero()
      codec.encodeSync(zeros(4, SIZE), [parity, parity])
    }),
    overlap('parity that begins in the last byte of a data shard', () => {
      const memory = new Uint8Array(2 * SIZE)
      const data = [...zeros(3, SIZE), memory.subarray(0, SIZE)]
      codec.encodeSync(data, [memory.subarray(SIZE - 1, 2 * SIZE - 1), zero()])
    }),
    overlap('a Buffer and a Uint8Array over one memory', () => {
      const memory = new ArrayBuffer(SIZE)
      codec.applyDeltaSync(0, Buffer.from(memory), [zero(), new Uint8Array(memory)])
    }),
    overlap('an updated parity shard that is the new shard', () => {
      const fresh = zero()
      codec.updateSync(0, zero(), fresh, [fresh, zero()])
    }),
    overlap('an output that is a shard that is left', () => {
      const left = zeros(5, SIZE)
      codec.reconstructSync([null, ...left], { outputs: left.slice(4) })
    }),
  ]
}

/** Buffers that cannot be borrowed, each made anew for every call. */
function badBuffers(): readonly (readonly [string, () => Uint8Array])[] {
  return [
    ['null', () => wrong(null)],
    ['undefined', () => wrong(undefined)],
    ['a number', () => wrong(7)],
    ['a text', () => wrong('x'.repeat(SIZE))],
    ['an array of numbers', () => wrong(new Array(SIZE).fill(0))],
    ['an ArrayBuffer', () => wrong(new ArrayBuffer(SIZE))],
    ['a DataView', () => wrong(new DataView(new ArrayBuffer(SIZE)))],
    ['a Float64Array', () => wrong(new Float64Array(SIZE / 8))],
    ['a Uint8ClampedArray', () => wrong(new Uint8ClampedArray(SIZE))],
    ['an object that only looks like one', () => wrong(Object.create(Uint8Array.prototype))],
    ['a proxy of one', () => new Proxy(zero(), {})],
    ['in shared memory', () => new Uint8Array(new SharedArrayBuffer(6 * SIZE))],
    ['in shared memory of another context', () => runInNewContext(FOREIGN_SHARED)],
    [
      'in shared memory of WebAssembly',
      () => {
        return new Uint8Array(runInThisContext(SHARED_WASM), 0, 6 * SIZE)
      },
    ],
    ['detached', detached],
    [
      'out of the bounds of a shrunken buffer',
      () => {
        const memory = new ArrayBuffer(SIZE, { maxByteLength: SIZE })
        const view = new Uint8Array(memory, 0, SIZE)
        memory.resize(1)
        return view
      },
    ],
  ]
}

const SHARED_WASM = 'new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer'
const FOREIGN_SHARED = `new Uint8Array(new SharedArrayBuffer(${6 * SIZE}))`

function zero(): Uint8Array {
  return new Uint8Array(SIZE)
}

function pair(): [Uint8Array, Uint8Array] {
  return [zero(), zero()]
}

function plan(codec: Codec) {
  return codec.decodePlan([1, 2, 3, 4], [0])
}

function detached(): Uint8Array {
  const view = new Uint8Array(6 * SIZE)
  take(view)
  return view
}

function take(view: Uint8Array | undefined): void {
  if (view !== undefined) structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] })
}

function revoked(): Uint8Array[] {
  const { proxy, revoke } = Proxy.revocable(zeros(4, SIZE), {})
  revoke()
  return proxy
}

function shown(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : `${typeof value} ${String(value)}`
}

if (import.meta.main) {
  let refused = 0
  for (let round = 0; round < 50; round += 1) {
    for (const { title, code, call } of badCalls()) {
      try {
        call()
        process.stderr.write(`${title}: not refused\n`)
      } catch (thrown) {
        if (thrown instanceof Error && 'code' in thrown && thrown.code === code) refused += 1
        else process.stderr.write(`${title}: ${String(thrown)}\n`)
      }
    }
  }
  const stream = new DecodeStream()
  stream.destroy()
  process.stdout.write(`${refused}\n`)
}
