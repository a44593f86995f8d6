import { Transform, type TransformCallback } from 'node:stream'
import { PurlinError } from '@purlin/base'
import { type Codec, createCodec } from '../codec.ts'
import { requireWhole } from '../errors.ts'
import { type FrameHead, sameEncoding } from './frame.ts'
import { FrameParser, type ParsedFrame } from './frame-parser.ts'

/** How many stripes may be under way at once where no other number is asked for. */
const DEFAULT_WINDOW_STRIPES = 16
const WINDOW_STRIPES_MAX = 65_536

export interface DecodeStreamOptions {
  /** How far apart, in stripes, frames may come that are fed from several places; 16 where absent.
   *  A stripe that cannot be decoded yet is kept until then, so this bounds the memory too. */
  readonly windowStripes?: number
}

/** What was wrong with one stripe that was decoded all the same. */
export interface StripeDamage {
  /** The stripe's number, from 0. */
  readonly stripe: number
  /** Shards of which no frame came, in ascending order. */
  readonly missing: readonly number[]
  /** Shards whose frame came with other bytes than its checksum tells. */
  readonly rotten: readonly number[]
}

/** What a `DecodeStream` has seen so far. */
export interface DecodeReport {
  readonly stripes: number
  /** Stripes of which a data shard had to be rebuilt. */
  readonly rebuiltStripes: number
  /** By shard: in how many stripes it was missing. */
  readonly missing: ReadonlyMap<number, number>
  /** By shard: in how many stripes it was rotten. */
  readonly rotten: ReadonlyMap<number, number>
  /** Frames of other encodings, which were left aside. */
  readonly foreignFrames: number
  /** Bytes that belonged to no frame. */
  readonly skippedBytes: number
}

interface OpenStripe {
  readonly shards: (Uint8Array | undefined)[]
  readonly seen: Set<number>
  readonly rotten: Set<number>
  head: FrameHead | undefined
  decoded: boolean
}

/** Turns the frames of an `EncodeStream` back into the bytes: writes take frames back to back in
 *  any chunking, interleaved in any way within the window; reads give bytes. The shape is read
 *  from the frames. A stripe is decoded as soon as any `k` good shards of it are there; missing
 *  and rotten ones are rebuilt and named by the event `damage` (a `StripeDamage` for each stripe
 *  that had some) and by `report`.
 *
 *  Errors: PUR_EC_TOO_FEW_SHARDS for a stripe with fewer than `k` good shards, with its number and
 *  the shards that failed; PUR_EC_STREAM for input without its end or without any frame;
 *  PUR_EC_INVALID for a window out of its range. */
export class DecodeStream extends Transform {
  readonly #parser = new FrameParser()
  readonly #windowStripes: number
  readonly #open = new Map<number, OpenStripe>()
  readonly #missing = new Map<number, number>()
  readonly #rotten = new Map<number, number>()
  #codec: Codec | undefined
  #first: FrameHead | undefined
  #stripeCount: number | undefined
  /** The next stripe to give out. */
  #next = 0
  /** The oldest stripe whose frames may still come. */
  #oldest = 0
  #rebuiltStripes = 0
  #foreignFrames = 0

  constructor({ windowStripes = DEFAULT_WINDOW_STRIPES }: DecodeStreamOptions = {}) {
    super()
    this.#windowStripes = requireWhole('windowStripes', windowStripes, 1, WINDOW_STRIPES_MAX)
  }

  get report(): DecodeReport {
    return {
      stripes: this.#next,
      rebuiltStripes: this.#rebuiltStripes,
      missing: new Map(this.#missing),
      rotten: new Map(this.#rotten),
      foreignFrames: this.#foreignFrames,
      skippedBytes: this.#parser.skippedBytes,
    }
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      for (const frame of this.#parser.push(chunk)) this.#take(frame)
      done()
    } catch (thrown) {
      done(thrown as Error)
    }
  }

  override _flush(done: TransformCallback): void {
    try {
      for (const frame of this.#parser.end()) this.#take(frame)
      if (this.#first === undefined) throw broken('no shard frame was found in the input')
      if (this.#stripeCount === undefined) {
        const newest = Math.max(-1, ...this.#open.keys())
        throw broken(`the input ends behind stripe ${newest} and before the last stripe`)
      }
      this.#retire(this.#stripeCount)
      done()
    } catch (thrown) {
      done(thrown as Error)
    }
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#codec?.[Symbol.dispose]()
    this.#open.clear()
    super._destroy(error, done)
  }

  #take({ head, payload, good }: ParsedFrame): void {
    this.#first ??= head
    this.#codec ??= createCodec(head)
    if (!sameEncoding(this.#first, head)) {
      this.#foreignFrames += 1
      return
    }
    if (head.last) this.#stripeCount = head.stripe + 1
    // Frames of a stripe that was given up are late; those of a decoded one still count as seen.
    if (head.stripe < this.#oldest) return
    this.#retire(head.stripe - this.#windowStripes)
    const stripe = this.#stripe(head.stripe)
    stripe.seen.add(head.shard)
    if (!good) stripe.rotten.add(head.shard)
    else {
      stripe.rotten.delete(head.shard)
      stripe.head ??= head
      if (!stripe.decoded && payload.length === stripe.head.payloadBytes) {
        stripe.shards[head.shard] = payload
      }
    }
    this.#giveOut()
  }

  #stripe(number: number): OpenStripe {
    const known = this.#open.get(number)
    if (known !== undefined) return known
    const total = this.#shardCount()
    const made: OpenStripe = {
      shards: new Array<Uint8Array | undefined>(total).fill(undefined),
      seen: new Set(),
      rotten: new Set(),
      head: undefined,
      decoded: false,
    }
    this.#open.set(number, made)
    return made
  }

  /** Gives out the stripes that can be decoded, in order. */
  #giveOut(): void {
    for (;;) {
      const stripe = this.#open.get(this.#next)
      const k = this.#codec?.dataShards ?? 0
      if (stripe === undefined || stripe.shards.filter(Boolean).length < k) return
      this.#decode(stripe)
      this.#next += 1
    }
  }

  #decode(stripe: OpenStripe): void {
    const { head, shards } = stripe
    const codec = this.#codec
    if (head === undefined || codec === undefined) return
    const lost = shards.slice(0, codec.dataShards).some((shard) => shard === undefined)
    if (lost) this.#rebuiltStripes += 1
    const rebuilt =
      lost && head.payloadBytes > 0 ? codec.reconstructSync(shards, { wanted: 'data' }) : shards
    let left = head.stripeDataBytes
    for (const shard of rebuilt.slice(0, codec.dataShards)) {
      const bytes = (shard ?? new Uint8Array()).subarray(0, left)
      left -= bytes.length
      if (bytes.length > 0) this.push(bytes)
    }
    stripe.decoded = true
    stripe.shards.fill(undefined)
  }

  /** Closes the stripes before `end`: what has not come by now is missing. */
  #retire(end: number): void {
    for (; this.#oldest < end; this.#oldest += 1) {
      const stripe = this.#stripe(this.#oldest)
      this.#giveOut()
      const all = Array.from({ length: this.#shardCount() }, (_, shard) => shard)
      const missing = all.filter((shard) => !stripe.seen.has(shard))
      const rotten = [...stripe.rotten].sort((a, b) => a - b)
      if (!stripe.decoded) throw this.#lost(this.#oldest, missing, rotten)
      this.#open.delete(this.#oldest)
      for (const shard of missing) this.#missing.set(shard, (this.#missing.get(shard) ?? 0) + 1)
      for (const shard of rotten) this.#rotten.set(shard, (this.#rotten.get(shard) ?? 0) + 1)
      if (missing.length + rotten.length > 0) {
        const damage: StripeDamage = { stripe: this.#oldest, missing, rotten }
        this.emit('damage', damage)
      }
    }
  }

  #shardCount(): number {
    return (this.#codec?.dataShards ?? 0) + (this.#codec?.parityShards ?? 0)
  }

  #lost(stripe: number, missing: readonly number[], rotten: readonly number[]): PurlinError {
    const needed = this.#codec?.dataShards ?? 0
    const left = this.#shardCount() - missing.length - rotten.length
    const found = `missing: ${listText(missing)}; rotten: ${listText(rotten)}`
    return new PurlinError('PUR_EC_TOO_FEW_SHARDS', {
      message: `stripe ${stripe}: ${left} good shards came and ${needed} are needed; ${found}`,
      context: { stripe, needed, found: left, missing, rotten },
    })
  }
}

function broken(message: string): PurlinError {
  return new PurlinError('PUR_EC_STREAM', { message: `cannot decode the stream: ${message}` })
}

function listText(shards: readonly number[]): string {
  return shards.length === 0 ? 'none' : shards.join(', ')
}
