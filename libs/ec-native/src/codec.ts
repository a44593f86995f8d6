import type { DecodePlan } from './decode-plan.ts'
import type { AsyncOptions } from './perform.ts'
import type { Shape, Technique } from './shape.ts'
import type { PartialWrite, WritePlan } from './write-method.ts'

export { createCodec } from './native-codec.ts'

/** How results reach memory: `cached` leaves them in the processor's caches, which is right for
 *  whatever is read or sent soon; `stream` writes past them, which is faster for stripes that come
 *  from memory and outgrow the caches, where outputs begin at multiples of 64. */
export type Store = 'cached' | 'stream'

export interface CodecOptions extends Shape {
  /** `reed_sol_van` where it is proven that every loss can be rebuilt (up to 3 parity shards, 4
   *  with up to 21 data shards, and the like with the two exchanged), else `cauchy`. */
  readonly technique?: Technique
  /** `cached` where absent. */
  readonly store?: Store
}

/** Which of the lost shards `reconstruct` rebuilds: all of them (where absent), those of data, or
 *  those with these indices. */
export interface ReconstructOptions {
  readonly wanted?: 'all' | 'data' | readonly number[]
  /** Buffers for the rebuilt shards in ascending order of their indices, each as long as the
   *  shards; new memory where absent. */
  readonly outputs?: readonly Uint8Array[]
}

/** A shard, or nothing where it is lost. */
export type MaybeShard = Uint8Array | null | undefined

/** A Reed-Solomon codec over GF(2^8), polynomial 0x11d. A stripe has `dataShards` and then
 *  `parityShards` shards, all of one length from 1 byte on; they may lie anywhere, at any
 *  alignment.
 *
 *  Buffers are borrowed, never copied. A call that throws has written nothing, unless it was
 *  cancelled. Every method can throw PUR_EC_INVALID (counts, lengths, indices that do not fit,
 *  a buffer that is no `Uint8Array`, is detached or lies in shared memory) and PUR_EC_OVERLAP (a
 *  buffer to be written shares bytes with another one).
 *
 *  The methods that return promises give the same results and errors. Work of up to 1 MiB is done
 *  before they return; larger work goes to the pool where all buffers are of `allocStripe`, else it
 *  is done in this thread in slices of 1 MiB with other events in between. Buffers must not be
 *  changed meanwhile. The `signal` is looked at between slices; PUR_CANCELLED. */
export interface Codec extends Shape, Disposable {
  readonly technique: Technique
  /** The kernel in use: `avx512-gfni`, `avx2-gfni`, `avx2`, `ssse3`, `neon` or `scalar`. */
  readonly kernel: string

  /** Writes the parity of `data` (k buffers) into `parity` (m buffers). */
  encodeSync(data: readonly Uint8Array[], parity: readonly Uint8Array[]): void
  encode(
    data: readonly Uint8Array[],
    parity: readonly Uint8Array[],
    options?: AsyncOptions,
  ): Promise<void>

  /** Writes the parity of a stripe that lies in one piece, shard behind shard: `(k + m) *
   *  shardBytes` bytes. The call with the least overhead. */
  encodeStripeSync(stripe: Uint8Array, shardBytes: number): void
  encodeStripe(stripe: Uint8Array, shardBytes: number, options?: AsyncOptions): Promise<void>

  /** The same for `stripes` stripes back to back, by default as many as `arena` holds. */
  encodeBatchSync(arena: Uint8Array, shardBytes: number, stripes?: number): void
  encodeBatch(
    arena: Uint8Array,
    shardBytes: number,
    stripes?: number,
    options?: AsyncOptions,
  ): Promise<void>

  /** The stripe (k + m places, lost shards `null` or undefined) with its lost shards rebuilt; those
   *  that were there are handed back as they are.
   *  Errors: PUR_EC_TOO_FEW_SHARDS with fewer than k shards left. */
  reconstructSync(shards: readonly MaybeShard[]): readonly Uint8Array[]
  /** The same of some of the lost shards; the others stay undefined. */
  reconstructSync(
    shards: readonly MaybeShard[],
    options: ReconstructOptions,
  ): readonly (Uint8Array | undefined)[]
  reconstruct(
    shards: readonly MaybeShard[],
    options?: ReconstructOptions & AsyncOptions,
  ): Promise<readonly (Uint8Array | undefined)[]>

  /** Which parity rows (0 to m - 1) do not fit the data; none where all is well. */
  verifySync(data: readonly Uint8Array[], parity: readonly Uint8Array[]): readonly number[]
  verify(
    data: readonly Uint8Array[],
    parity: readonly Uint8Array[],
    options?: AsyncOptions,
  ): Promise<readonly number[]>

  /** Brings all parity up to date after data shard `index` changed from `oldShard` to `newShard`,
   *  in one pass. Part of the shards will do, if it is the same part of each. */
  updateSync(
    index: number,
    oldShard: Uint8Array,
    newShard: Uint8Array,
    parity: readonly Uint8Array[],
  ): void
  update(
    index: number,
    oldShard: Uint8Array,
    newShard: Uint8Array,
    parity: readonly Uint8Array[],
    options?: AsyncOptions,
  ): Promise<void>

  /** The same from `delta`, the exclusive or of the old and the new shard. */
  applyDeltaSync(index: number, delta: Uint8Array, parity: readonly Uint8Array[]): void
  applyDelta(
    index: number,
    delta: Uint8Array,
    parity: readonly Uint8Array[],
    options?: AsyncOptions,
  ): Promise<void>

  /** Adds what data shard `index` contributes to all parity. Parity that began as zeros is complete
   *  when each data shard was added once, in any order. */
  accumulateSync(index: number, shard: Uint8Array, parity: readonly Uint8Array[]): void
  accumulate(
    index: number,
    shard: Uint8Array,
    parity: readonly Uint8Array[],
    options?: AsyncOptions,
  ): Promise<void>

  /** The worked-out way to rebuild the shards `wanted` from those of `present`; to be kept where
   *  many stripes have the same losses.
   *  Errors: PUR_EC_TOO_FEW_SHARDS with fewer than k present. */
  decodePlan(present: readonly number[], wanted: readonly number[]): DecodePlan

  /** How a partial write is done with the fewest reads.
   *  Errors: PUR_EC_TOO_FEW_SHARDS where so much is lost that no method is possible. */
  writeMethod(write: PartialWrite): WritePlan

  /** Zeroed memory for `stripes` stripes in one piece, beginning at a multiple of 4096. It can be
   *  worked on in the pool: it lives until nobody needs it, even when it is transferred away.
   *  Errors: PUR_EC_MEMORY. */
  allocStripe(shardBytes: number, stripes?: number): Uint8Array

  /** The shards of a stripe that lies in one piece, as views, data first. */
  shardsOf(stripe: Uint8Array): Uint8Array[]

  /** The linear digest of a shard, 64 bytes: lane l is the sum of byte l of each block of 64, times
   *  2 to the number of blocks behind it. The digests of a stripe obey the code's own equations, so
   *  a scrub checks parity without moving shards. An addition to a CRC, never instead of it: it
   *  does not see blocks that change places 255 blocks apart, nor zeros at the end. */
  digest(shard: Uint8Array): Uint8Array

  /** Which parity rows (0 to m - 1) have digests that do not fit those of the data: what `verify`
   *  would say, out of k and m digests. */
  verifyDigests(data: readonly Uint8Array[], parity: readonly Uint8Array[]): readonly number[]
}
