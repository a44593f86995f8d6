import { randomUUID } from 'node:crypto'
import { Transform, type TransformCallback } from 'node:stream'
import { type Codec, type CodecOptions, createCodec } from '../codec.ts'
import { requireWhole } from '../errors.ts'
import { FRAME_HEAD_BYTES, FRAME_PAYLOAD_LIMIT_BYTES, writeFrameHead } from './frame.ts'

/** Bytes of a shard in each stripe where none are asked for. */
export const DEFAULT_SHARD_BYTES = 64 * 1024

export interface EncodeStreamOptions extends CodecOptions {
  /** Bytes of each shard in a stripe, 1 to 64 MiB; 64 KiB where absent. The last stripe's shards
   *  are as short as its data allows. */
  readonly shardBytes?: number
}

/** Turns bytes into shard frames: writes take bytes, each chunk read is one frame (a `Buffer`),
 *  the `k + m` frames of a stripe in order of their shards. `readFrameHead` tells to which shard a
 *  frame belongs, so that frames can be sent different ways; put back to back in any order they
 *  are what `DecodeStream` reads. An empty input makes one stripe of empty frames.
 *
 *  Memory: one stripe, and what waits to be read.
 *  Errors: those of `createCodec`, PUR_EC_INVALID for `shardBytes` out of its range. */
export class EncodeStream extends Transform {
  readonly encodingId: string = randomUUID().replaceAll('-', '')
  readonly #codec: Codec
  readonly #shardBytes: number
  #stripe: StripeFrames
  #number = 0

  constructor(options: EncodeStreamOptions) {
    super({ readableObjectMode: true })
    const { shardBytes = DEFAULT_SHARD_BYTES } = options
    this.#shardBytes = requireWhole('shardBytes', shardBytes, 1, FRAME_PAYLOAD_LIMIT_BYTES)
    this.#codec = createCodec(options)
    this.#stripe = new StripeFrames(this.#codec, shardBytes)
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      let rest = chunk
      while (rest.length > 0) {
        // A full stripe waits until it is known that it is not the last one.
        if (this.#stripe.full) this.#send(false)
        rest = this.#stripe.take(rest)
      }
      done()
    } catch (thrown) {
      done(thrown as Error)
    }
  }

  override _flush(done: TransformCallback): void {
    try {
      this.#send(true)
      done()
    } catch (thrown) {
      done(thrown as Error)
    }
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#codec[Symbol.dispose]()
    super._destroy(error, done)
  }

  #send(last: boolean): void {
    const head = { encodingId: this.encodingId, stripe: this.#number, last }
    for (const frame of this.#stripe.finish(head)) this.push(frame)
    this.#number += 1
    this.#stripe = new StripeFrames(this.#codec, this.#shardBytes)
  }
}

/** The frames of one stripe in one piece of memory: the data is put where it will stay. */
class StripeFrames {
  readonly #codec: Codec
  readonly #shardBytes: number
  readonly #frames: readonly Buffer[]
  #filledBytes = 0

  constructor(codec: Codec, shardBytes: number) {
    this.#codec = codec
    this.#shardBytes = shardBytes
    const frameBytes = FRAME_HEAD_BYTES + shardBytes
    const total = codec.dataShards + codec.parityShards
    const memory = Buffer.allocUnsafeSlow(frameBytes * total)
    this.#frames = Array.from({ length: total }, (_, shard) =>
      memory.subarray(shard * frameBytes, (shard + 1) * frameBytes),
    )
  }

  get full(): boolean {
    return this.#filledBytes === this.#codec.dataShards * this.#shardBytes
  }

  /** Takes as much of `bytes` as there is room for and returns the rest. */
  take(bytes: Buffer): Buffer {
    let rest = bytes
    while (rest.length > 0 && !this.full) {
      const shard = Math.floor(this.#filledBytes / this.#shardBytes)
      const at = FRAME_HEAD_BYTES + (this.#filledBytes % this.#shardBytes)
      const taken = rest.copy(this.#frames[shard] ?? rest, at)
      this.#filledBytes += taken
      rest = rest.subarray(taken)
    }
    return rest
  }

  /** Makes the parity and the heads. A stripe that is not full has shorter shards, so its data is
   *  moved together first. */
  finish(head: {
    readonly encodingId: string
    readonly stripe: number
    readonly last: boolean
  }): readonly Buffer[] {
    const { dataShards, parityShards, technique } = this.#codec
    const payloadBytes = this.full ? this.#shardBytes : Math.ceil(this.#filledBytes / dataShards)
    if (!this.full) this.#shrink(payloadBytes)
    const frames = this.#frames.map((frame) => frame.subarray(0, FRAME_HEAD_BYTES + payloadBytes))
    const payloads = frames.map((frame) => frame.subarray(FRAME_HEAD_BYTES))
    if (payloadBytes > 0) {
      this.#codec.encodeSync(payloads.slice(0, dataShards), payloads.slice(dataShards))
    }
    for (const [shard, frame] of frames.entries()) {
      const shape = { dataShards, parityShards, technique }
      const place = { shard, payloadBytes, stripeDataBytes: this.#filledBytes }
      writeFrameHead(frame, { ...shape, ...place, ...head }, frame.subarray(FRAME_HEAD_BYTES))
    }
    return frames
  }

  #shrink(payloadBytes: number): void {
    const written = Buffer.concat(
      this.#frames
        .slice(0, this.#codec.dataShards)
        .map((frame) => frame.subarray(FRAME_HEAD_BYTES)),
    ).subarray(0, this.#filledBytes)
    for (const [shard, frame] of this.#frames.slice(0, this.#codec.dataShards).entries()) {
      const payload = frame.subarray(FRAME_HEAD_BYTES, FRAME_HEAD_BYTES + payloadBytes)
      const part = written.subarray(shard * payloadBytes, (shard + 1) * payloadBytes)
      payload.fill(0)
      part.copy(payload)
    }
  }
}
