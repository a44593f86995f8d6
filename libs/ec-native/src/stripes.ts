import { setImmediate } from 'node:timers/promises'
import type { Outcome } from './addon.ts'
import { borrow, refused } from './buffers.ts'
import type { Codec } from './codec.ts'
import { invalid, requireWhole, toError } from './errors.ts'
import { type AsyncOptions, POOL_SLICE_BYTES, refuseAborted, SLICE_BYTES } from './perform.ts'
import type { Shape } from './shape.ts'

/** The part of `arena` that holds `stripes` stripes; all of it where none are named.
 *  Errors: PUR_EC_INVALID. */
export function requireArena(
  { dataShards, parityShards }: Shape,
  arena: Uint8Array,
  shardBytes: number,
  stripes?: number,
): Uint8Array {
  const { length } = borrow(arena, 'arena')
  requireWhole('shardBytes', shardBytes, 1, Number.MAX_SAFE_INTEGER)
  const stripeBytes = (dataShards + parityShards) * shardBytes
  if (stripes === undefined) {
    if (length > 0 && length % stripeBytes === 0) return arena
    throw invalid(
      `an arena of ${length} bytes holds no whole number of ${stripeBytes} byte stripes`,
    )
  }
  requireWhole('stripes', stripes, 1, Number.MAX_SAFE_INTEGER)
  if (stripes * stripeBytes > length) {
    throw invalid(`an arena of ${length} bytes cannot hold ${stripes} stripes of ${stripeBytes}`)
  }
  return stripes * stripeBytes === length ? arena : arena.subarray(0, stripes * stripeBytes)
}

/** A codec that can hand stripes to the pool. */
export interface Encoder extends Codec {
  /** Null where the memory is not of `allocStripe`. */
  encodeInPool(stripes: Uint8Array, stripeBytes: number): Promise<Outcome> | null
}

/** Encodes the stripes of `arena` without blocking the thread for long: as many at once as fit a
 *  slice, and a stripe that is larger as any other large work.
 *  Errors: PUR_CANCELLED, those of `encodeBatchSync`. */
export async function encodeStripes(
  codec: Encoder,
  arena: Uint8Array,
  shardBytes: number,
  options: AsyncOptions,
): Promise<void> {
  const stripeBytes = (codec.dataShards + codec.parityShards) * shardBytes
  const lengthBytes = arena.length
  const inPool = lengthBytes > SLICE_BYTES && stripeBytes <= POOL_SLICE_BYTES
  if (inPool && (await throughPool(codec, arena, stripeBytes, options))) return
  const step = stepOf(SLICE_BYTES, stripeBytes)
  for (let from = 0; from < lengthBytes; from += step) {
    if (from > 0) await setImmediate()
    refuseAborted(options.signal)
    const part = partOf(arena, lengthBytes, from, step)
    if (part.length <= SLICE_BYTES) codec.encodeBatchSync(part, shardBytes)
    else {
      // A stripe larger than a slice is cut through its shards.
      const shards = codec.shardsOf(part)
      const { dataShards } = codec
      await codec.encode(shards.slice(0, dataShards), shards.slice(dataShards), options)
    }
  }
}

/** Whether the pool could do it: only with memory of `allocStripe`. */
async function throughPool(
  codec: Encoder,
  arena: Uint8Array,
  stripeBytes: number,
  { signal }: AsyncOptions,
): Promise<boolean> {
  const { length } = arena
  const step = stepOf(POOL_SLICE_BYTES, stripeBytes)
  for (let from = 0; from < length; from += step) {
    refuseAborted(signal)
    const running = codec.encodeInPool(partOf(arena, length, from, step), stripeBytes)
    if (running === null) return false
    const outcome = await running
    if (outcome !== null && 'code' in outcome) throw toError(outcome)
  }
  return true
}

/** As many whole stripes as `slice` holds, and one at least. */
function stepOf(slice: number, stripeBytes: number): number {
  return Math.max(1, Math.floor(slice / stripeBytes)) * stripeBytes
}

function partOf(arena: Uint8Array, lengthBytes: number, from: number, step: number): Uint8Array {
  if (arena.length !== lengthBytes) {
    throw refused('arena', 'was transferred away or resized while it was worked on')
  }
  return new Uint8Array(arena.buffer, arena.byteOffset + from, Math.min(step, lengthBytes - from))
}
