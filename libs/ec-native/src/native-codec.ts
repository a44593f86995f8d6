import { types } from 'node:util'
import { type CodecHandle, ecAddon, type Outcome, operations } from './addon.ts'
import { borrow, borrowAll } from './buffers.ts'
import type { Codec, CodecOptions, MaybeShard, ReconstructOptions } from './codec.ts'
import { type DecodePlan, NativeDecodePlan } from './decode-plan.ts'
import { invalid, requireWhole, toError } from './errors.ts'
import { Handle } from './handle.ts'
import { type AsyncOptions, perform, performAsync, refuseAborted, type Work } from './perform.ts'
import { reconstruction } from './reconstruction.ts'
import type { Technique } from './shape.ts'
import { type Encoder, encodeStripes, requireArena } from './stripes.ts'
import type { PartialWrite, WriteMethod, WritePlan } from './write-method.ts'

/** Makes a codec. Its parity is byte for byte that of ISA-L and of Ceph's `isa` plug-in.
 *
 *  ```ts
 *  using codec = createCodec({ dataShards: 4, parityShards: 2 })
 *  codec.encodeSync(data, parity) // 4 and 2 buffers of one length
 *  const whole = codec.reconstructSync([null, ...data.slice(1), ...parity])
 *  ```
 *
 *  Errors: PUR_EC_INVALID for counts out of their range or an unknown technique or store;
 *  PUR_EC_NOT_MDS where the technique named cannot bring back every loss at this shape;
 *  PUR_EC_KERNEL; PUR_NATIVE_MISSING where the addon is not built. */
export function createCodec(options: CodecOptions): Codec {
  const { dataShards, parityShards, technique, store } = options ?? {}
  requireWhole('dataShards', dataShards, 1, SHARDS_MAX - 1)
  requireWhole('parityShards', parityShards, 1, SHARDS_MAX - 1)
  const made = ecAddon().createCodec(
    dataShards,
    parityShards,
    optionalText('technique', technique),
    optionalText('store', store),
  )
  if ('code' in made) throw toError(made)
  return new NativeCodec(dataShards, parityShards, made)
}

const SHARDS_MAX = 256

class NativeCodec implements Encoder {
  readonly dataShards: number
  readonly parityShards: number
  readonly technique: Technique
  readonly kernel: string
  readonly #handle: Handle

  constructor(dataShards: number, parityShards: number, made: CodecHandle) {
    this.dataShards = dataShards
    this.parityShards = parityShards
    this.technique = made.technique as Technique
    this.kernel = made.kernel
    this.#handle = new Handle('codec', made.handle)
  }

  encodeSync(data: readonly Uint8Array[], parity: readonly Uint8Array[]): void {
    perform(this.#encode(data, parity))
  }

  async encode(
    data: readonly Uint8Array[],
    parity: readonly Uint8Array[],
    options?: AsyncOptions,
  ): Promise<void> {
    await performAsync(this.#encode(data, parity), options)
  }

  encodeStripeSync(stripe: Uint8Array, shardBytes: number): void {
    const failure = ecAddon().encodeStripe(
      this.#handle.value,
      borrow(stripe, 'stripe'),
      requireWhole('shardBytes', shardBytes, 1, Number.MAX_SAFE_INTEGER),
    )
    if (failure !== undefined) throw toError(failure)
  }

  async encodeStripe(
    stripe: Uint8Array,
    shardBytes: number,
    options?: AsyncOptions,
  ): Promise<void> {
    await this.encodeBatch(stripe, shardBytes, 1, options)
  }

  encodeBatchSync(arena: Uint8Array, shardBytes: number, stripes?: number): void {
    const part = requireArena(this, arena, shardBytes, stripes)
    const failure = ecAddon().encodeBatch(this.#handle.value, part, shardBytes)
    if (failure !== null) throw toError(failure)
  }

  async encodeBatch(
    arena: Uint8Array,
    shardBytes: number,
    stripes?: number,
    options?: AsyncOptions,
  ): Promise<void> {
    refuseAborted(options?.signal)
    const part = requireArena(this, arena, shardBytes, stripes)
    await encodeStripes(this, part, shardBytes, options ?? {})
  }

  encodeInPool(stripes: Uint8Array, stripeBytes: number): Promise<Outcome> | null {
    const shardBytes = stripeBytes / this.#total
    return ecAddon().encodeBatchInPool(this.#handle.value, stripes, shardBytes)
  }

  reconstructSync(shards: readonly MaybeShard[]): readonly Uint8Array[]
  reconstructSync(
    shards: readonly MaybeShard[],
    options: ReconstructOptions,
  ): readonly (Uint8Array | undefined)[]
  reconstructSync(
    shards: readonly MaybeShard[],
    options: ReconstructOptions = {},
  ): readonly (Uint8Array | undefined)[] {
    const stripe = reconstruction(this, shards, options)
    if (stripe.lost.length === 0) return stripe.result
    const { inputs, outputs } = stripe
    const [present, lost] = [Uint8Array.from(stripe.present), Uint8Array.from(stripe.lost)]
    const outcome = ecAddon().reconstruct(this.#handle.value, present, lost, inputs, outputs)
    if (outcome !== null && 'code' in outcome) throw toError(outcome)
    return stripe.result
  }

  async reconstruct(
    shards: readonly MaybeShard[],
    options: ReconstructOptions & AsyncOptions = {},
  ): Promise<readonly (Uint8Array | undefined)[]> {
    refuseAborted(options.signal)
    const stripe = reconstruction(this, shards, options)
    if (stripe.lost.length === 0) return stripe.result
    using plan = this.decodePlan(stripe.present, stripe.lost)
    const sources = plan.sources.flatMap((i) => stripe.result[i] ?? [])
    await plan.reconstruct(sources, stripe.outputs, options)
    return stripe.result
  }

  verifySync(data: readonly Uint8Array[], parity: readonly Uint8Array[]): readonly number[] {
    return perform(this.#verify(data, parity))
  }

  async verify(
    data: readonly Uint8Array[],
    parity: readonly Uint8Array[],
    options?: AsyncOptions,
  ): Promise<readonly number[]> {
    return await performAsync(this.#verify(data, parity), options)
  }

  updateSync(
    index: number,
    oldShard: Uint8Array,
    newShard: Uint8Array,
    parity: readonly Uint8Array[],
  ): void {
    perform(this.#update(index, oldShard, newShard, parity))
  }

  async update(
    index: number,
    oldShard: Uint8Array,
    newShard: Uint8Array,
    parity: readonly Uint8Array[],
    options?: AsyncOptions,
  ): Promise<void> {
    await performAsync(this.#update(index, oldShard, newShard, parity), options)
  }

  applyDeltaSync(index: number, delta: Uint8Array, parity: readonly Uint8Array[]): void {
    perform(this.#change(operations.applyDelta, index, [borrow(delta, 'delta')], parity))
  }

  async applyDelta(
    index: number,
    delta: Uint8Array,
    parity: readonly Uint8Array[],
    options?: AsyncOptions,
  ): Promise<void> {
    const inputs = [borrow(delta, 'delta')]
    await performAsync(this.#change(operations.applyDelta, index, inputs, parity), options)
  }

  accumulateSync(index: number, shard: Uint8Array, parity: readonly Uint8Array[]): void {
    perform(this.#change(operations.accumulate, index, [borrow(shard, 'shard')], parity))
  }

  async accumulate(
    index: number,
    shard: Uint8Array,
    parity: readonly Uint8Array[],
    options?: AsyncOptions,
  ): Promise<void> {
    const inputs = [borrow(shard, 'shard')]
    await performAsync(this.#change(operations.accumulate, index, inputs, parity), options)
  }

  decodePlan(present: readonly number[], wanted: readonly number[]): DecodePlan {
    const known = requireIndices('present', present, this.#total)
    const goal = requireIndices('wanted', wanted, this.#total)
    const made = ecAddon().planDecode(this.#handle.value, known, goal)
    if ('code' in made) throw toError(made)
    return new NativeDecodePlan(new Handle('decode plan', made.handle), made.sources, goal)
  }

  writeMethod({ changed, cached = [], lost = [] }: PartialWrite): WritePlan {
    const plan = ecAddon().writeMethod(
      this.#handle.value,
      requireIndices('changed', changed, this.#total),
      requireIndices('cached', cached, this.#total),
      requireIndices('lost', lost, this.#total),
    )
    if ('code' in plan) throw toError(plan)
    return { ...plan, method: plan.method as WriteMethod }
  }

  allocStripe(shardBytes: number, stripes = 1): Uint8Array {
    requireWhole('shardBytes', shardBytes, 1, Number.MAX_SAFE_INTEGER)
    requireWhole('stripes', stripes, 1, Number.MAX_SAFE_INTEGER)
    const made = ecAddon().allocate(this.#total * shardBytes * stripes)
    if ('code' in made) throw toError(made)
    // The addon makes a Buffer, whose `slice` shares memory where that of a Uint8Array copies.
    return new Uint8Array(made.buffer, made.byteOffset, made.length)
  }

  shardsOf(stripe: Uint8Array): Uint8Array[] {
    const { length } = borrow(stripe, 'stripe')
    const shardBytes = length / this.#total
    if (!Number.isInteger(shardBytes)) {
      throw invalid(`a stripe of ${length} bytes cannot be cut into ${this.#total} like shards`)
    }
    return Array.from({ length: this.#total }, (_, shard) =>
      stripe.subarray(shard * shardBytes, (shard + 1) * shardBytes),
    )
  }

  digest(shard: Uint8Array): Uint8Array {
    const made = ecAddon().digest(this.#handle.value, borrow(shard, 'shard'))
    if ('code' in made) throw toError(made)
    return made
  }

  verifyDigests(data: readonly Uint8Array[], parity: readonly Uint8Array[]): readonly number[] {
    const outcome = ecAddon().verifyDigests(
      this.#handle.value,
      borrowAll(data, 'data'),
      borrowAll(parity, 'parity'),
    )
    if ('code' in outcome) throw toError(outcome)
    return outcome
  }

  [Symbol.dispose](): void {
    this.#handle[Symbol.dispose]()
  }

  get #total(): number {
    return this.dataShards + this.parityShards
  }

  #encode(data: readonly Uint8Array[], parity: readonly Uint8Array[]): Work {
    const inputs = this.#list('data', data, this.dataShards)
    const outputs = this.#list('parity', parity, this.parityShards)
    return { operation: operations.encode, handle: this.#handle, index: 0, inputs, outputs }
  }

  #verify(data: readonly Uint8Array[], parity: readonly Uint8Array[]): Work {
    const inputs = [
      ...this.#list('data', data, this.dataShards),
      ...this.#list('parity', parity, this.parityShards),
    ]
    return { operation: operations.verify, handle: this.#handle, index: 0, inputs, outputs: [] }
  }

  #update(
    index: number,
    oldShard: Uint8Array,
    newShard: Uint8Array,
    parity: readonly Uint8Array[],
  ): Work {
    const inputs = [borrow(oldShard, 'oldShard'), borrow(newShard, 'newShard')]
    return this.#change(operations.update, index, inputs, parity)
  }

  #change(
    operation: Work['operation'],
    index: number,
    inputs: readonly Uint8Array[],
    parity: readonly Uint8Array[],
  ): Work {
    requireWhole('index', index, 0, this.dataShards - 1)
    const outputs = this.#list('parity', parity, this.parityShards)
    return { operation, handle: this.#handle, index, inputs, outputs }
  }

  #list(name: string, views: readonly Uint8Array[], wanted: number): Uint8Array[] {
    const borrowed = borrowAll(views, name)
    if (borrowed.length === wanted) return borrowed
    throw invalid(`${borrowed.length} ${name} shards were given where the codec has ${wanted}`)
  }
}

function requireIndices(name: string, indices: readonly number[], total: number): number[] {
  if (types.isProxy(indices) || !Array.isArray(indices))
    throw invalid(`${name} must be an array of indices of shards`)
  const checked = indices.map((index, i) => requireWhole(`${name}[${i}]`, index, 0, total - 1))
  return [...new Set(checked)].sort((a, b) => a - b)
}

function optionalText(name: string, value: unknown): string | null {
  if (value === undefined) return null
  if (typeof value === 'string') return value
  throw invalid(`${name} is ${value === null ? 'null' : typeof value} and must be a text`)
}
