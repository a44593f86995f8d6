import { PurlinError } from '@purlin/base'
import { type EcAddon, type EcFailure, ecAddon } from './addon.ts'

/** The shape of a stripe: both counts at least 1, together at most 256. */
export interface CodecOptions {
  readonly dataShards: number
  readonly parityShards: number
}

/** A Reed-Solomon codec. Shards of a stripe have one length of at least 1 byte; data shards come
 *  first. */
export interface Codec {
  /** Writes the parity of `data` into `parity`, one buffer a parity shard; nothing is written on
   *  an error.
   *  Errors: PUR_EC_INVALID for counts or lengths that do not fit. */
  encodeSync(data: readonly Uint8Array[], parity: readonly Uint8Array[]): void
  /** The whole stripe with its lost shards (`null`) rebuilt; those that were there are handed
   *  back as they are.
   *  Errors: PUR_EC_INVALID, PUR_EC_TOO_FEW_SHARDS. */
  reconstructSync(shards: readonly (Uint8Array | null)[]): readonly Uint8Array[]
}

/** Makes the codec of technique `reed_sol_van` over GF(2^8)/0x11d, whose shards are those of
 *  ISA-L's `gf_gen_rs_matrix`. Every loss of up to `parityShards` shards can be rebuilt for up
 *  to 3 parity shards, for 4 up to 21 data shards and for 5 up to 5; beyond that some losses are
 *  answered by PUR_EC_TOO_FEW_SHARDS.
 *  Errors: PUR_EC_INVALID for counts out of their range, PUR_NATIVE_MISSING where the addon is
 *  not built. */
export function createCodec({ dataShards, parityShards }: CodecOptions): Codec {
  requireCount('dataShards', dataShards)
  requireCount('parityShards', parityShards)
  const addon = ecAddon()
  const failure = addon.checkGeometry(dataShards, parityShards)
  if (failure !== null) throw toError(failure)
  return new NativeCodec(addon, dataShards, parityShards)
}

class NativeCodec implements Codec {
  readonly #addon: EcAddon
  readonly #dataShards: number
  readonly #parityShards: number

  constructor(addon: EcAddon, dataShards: number, parityShards: number) {
    this.#addon = addon
    this.#dataShards = dataShards
    this.#parityShards = parityShards
  }

  encodeSync(data: readonly Uint8Array[], parity: readonly Uint8Array[]): void {
    data.forEach(requireUnshared)
    if (parity.length !== this.#parityShards) {
      throw invalid(
        `${parity.length} parity buffers were given where the codec has ${this.#parityShards}`,
      )
    }
    const encoded = unwrap(this.#addon.encode(this.#dataShards, this.#parityShards, data))
    for (const [i, shard] of encoded.entries()) {
      const found = parity[i]?.length
      if (found !== shard.length) {
        throw invalid(`parity buffer ${i} has ${found} bytes and must have ${shard.length}`)
      }
    }
    for (const [i, shard] of encoded.entries()) parity[i]?.set(shard)
  }

  reconstructSync(shards: readonly (Uint8Array | null)[]): readonly Uint8Array[] {
    shards.forEach(requireUnshared)
    const rebuilt = unwrap(this.#addon.reconstruct(this.#dataShards, this.#parityShards, shards))
    const bytesOf = new Map(rebuilt.map(({ index, bytes }) => [index, bytes]))
    return shards.flatMap((shard, i) => shard ?? bytesOf.get(i) ?? [])
  }
}

function requireCount(name: string, count: number): void {
  if (!Number.isInteger(count) || count < 0 || count > 0xffff_ffff) {
    throw invalid(`${name} is ${count} and must be a whole number from 1 to 255`)
  }
}

/** The addon reads the bytes in place: another thread must not be able to change them meanwhile. */
function requireUnshared(shard: Uint8Array | null, index: number): void {
  if (shard?.buffer instanceof SharedArrayBuffer) {
    throw invalid(`shard ${index} lies in memory shared with other threads; give a copy`)
  }
}

function unwrap<Value>(outcome: readonly Value[] | EcFailure): readonly Value[] {
  if ('code' in outcome) throw toError(outcome)
  return outcome
}

function toError({ code, message, context }: EcFailure): PurlinError {
  return new PurlinError(code, { message, context })
}

function invalid(message: string): PurlinError {
  return new PurlinError('PUR_EC_INVALID', { message })
}
