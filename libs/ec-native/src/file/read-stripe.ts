import { crc32c } from '../checksum.ts'
import { FRAME_HEAD_BYTES, readFrameHead } from '../stream/frame.ts'
import { readFully } from './encode-file.ts'
import type { EncodedFile } from './header.ts'
import type { StripePlace } from './layout.ts'
import { fileStep } from './partial-file.ts'
import type { ShardFile, ShardFiles } from './shard-files.ts'

/** A stripe as the shard files have it. */
export interface ReadStripe {
  /** By shard; undefined where the frame is missing or cannot be trusted. */
  readonly payloads: readonly (Uint8Array | undefined)[]
  /** Why, for the shards that have a file. */
  readonly faults: readonly StripeFault[]
}

/** A frame that cannot be trusted. */
export interface StripeFault {
  readonly shard: number
  readonly stripe: number
  /** Where the frame begins in the shard file. */
  readonly offset: number
  readonly what: string
}

/** Reads the frames of a stripe into `frames`, one buffer for each shard, and trusts only those
 *  whose checksums, encoding, shard and stripe are right. Errors: PUR_EC_SHARD_FILE where a file
 *  cannot be read at all. */
export async function readStripe(
  { file, shards }: ShardFiles,
  place: StripePlace,
  frames: readonly Uint8Array[],
): Promise<ReadStripe> {
  const found = await Promise.all(
    shards.map((shard, index) => {
      const frame = frames[index]?.subarray(0, FRAME_HEAD_BYTES + place.payloadBytes)
      return shard === undefined || frame === undefined
        ? undefined
        : readFrame(shard, file, place, frame)
    }),
  )
  return {
    payloads: found.map((each) => (each instanceof Uint8Array ? each : undefined)),
    faults: found.flatMap((each) => (each === undefined || each instanceof Uint8Array ? [] : each)),
  }
}

async function readFrame(
  { handle, path, shard }: ShardFile,
  file: EncodedFile,
  { stripe, frameOffset: offset, payloadBytes, dataBytes, last }: StripePlace,
  frame: Uint8Array,
): Promise<Uint8Array | StripeFault> {
  const fault = (what: string): StripeFault => ({ shard, stripe, offset, what })
  const read = await fileStep(`cannot read ${path}`, () => readFully(handle, frame, offset))
  if (read < frame.length) return fault('truncated')
  const head = readFrameHead(frame)
  if (head === undefined) return fault('rotten head')
  if (head.encodingId !== file.encodingId) return fault('a frame of another encoding')
  if (head.shard !== shard) return fault(`a frame of shard ${head.shard}`)
  if (head.stripe !== stripe) return fault(`the frame of stripe ${head.stripe}`)
  const fits =
    head.payloadBytes === payloadBytes && head.stripeDataBytes === dataBytes && head.last === last
  if (!fits) return fault('a frame of another length')
  const payload = frame.subarray(FRAME_HEAD_BYTES)
  return crc32c(payload) === head.payloadCrc ? payload : fault('rotten')
}
