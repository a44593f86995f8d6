import { createCodec } from '../codec.ts'
import { FRAME_HEAD_BYTES } from '../stream/frame.ts'
import { type FileWork, refuseAborted } from './encode-file.ts'
import type { EncodedFile } from './header.ts'
import { stripeCount, stripePlace } from './layout.ts'
import { readStripe, type StripeFault } from './read-stripe.ts'
import { type FileNote, openShardFiles, type ShardFiles } from './shard-files.ts'
import { shardPaths } from './shard-paths.ts'

/** How many faults and stripes a report lists; all are counted. */
const LISTED_MAX = 16

/** The state of one shard. */
export interface ShardReport {
  readonly shard: number
  readonly role: 'data' | 'parity'
  readonly path: string | null
  readonly state: 'good' | 'damaged' | 'missing'
  /** What is wrong with the file as a whole. */
  readonly wrong: string | null
  readonly faultCount: number
  /** The first faults, 16 at most. */
  readonly faults: readonly StripeFault[]
}

/** What was found in the shard files of one encoding. */
export interface VerifyReport extends EncodedFile {
  readonly stripes: number
  /** Whether every shard is there and every byte of it right. */
  readonly whole: boolean
  /** Whether every stripe has at least `k` good shards. */
  readonly recoverable: boolean
  readonly lostStripeCount: number
  /** The first stripes with fewer than `k` good shards, 16 at most. */
  readonly lostStripes: readonly number[]
  readonly shards: readonly ShardReport[]
  readonly notes: readonly FileNote[]
}

/** Reads every byte of the shard files that `inputs` name (files, or a folder of them) and tells
 *  which are missing or damaged, and where. Writes nothing. Memory is one stripe.
 *  Errors: PUR_EC_SHARD_FILE where no encoding can be made out or a file cannot be read;
 *  PUR_CANCELLED by the signal. */
export async function verifyFiles(
  inputs: readonly string[],
  work: FileWork = {},
): Promise<VerifyReport> {
  await using files = await openShardFiles(await shardPaths(inputs))
  return await verifyOpen(files, work)
}

/** The same of files that are open. */
export async function verifyOpen(files: ShardFiles, work: FileWork): Promise<VerifyReport> {
  const { file, shards, notes } = files
  using codec = createCodec(file)
  const frames = codec.shardsOf(codec.allocStripe(FRAME_HEAD_BYTES + file.shardBytes))
  const stripes = stripeCount(file)
  const faults = shards.map((): StripeFault[] => [])
  const counts = shards.map(() => 0)
  const lost: number[] = []
  let lostStripeCount = 0
  for (let stripe = 0; stripe < stripes; stripe += 1) {
    refuseAborted(work.signal, 'verify')
    const place = stripePlace(file, stripe)
    const read = await readStripe(files, place, frames)
    const found = [...read.faults]
    const whole = read.payloads.flatMap((payload) => payload ?? [])
    if (whole.length === shards.length && place.payloadBytes > 0) {
      const differing = codec.verifySync(
        whole.slice(0, file.dataShards),
        whole.slice(file.dataShards),
      )
      const what = 'parity that does not fit its data, though every checksum is right'
      const offset = place.frameOffset
      found.push(
        ...differing.map((row) => ({ shard: file.dataShards + row, stripe, offset, what })),
      )
    }
    for (const fault of found) {
      counts[fault.shard] = (counts[fault.shard] ?? 0) + 1
      if ((counts[fault.shard] ?? 0) <= LISTED_MAX) faults[fault.shard]?.push(fault)
    }
    if (whole.length < file.dataShards) {
      lostStripeCount += 1
      if (lost.length < LISTED_MAX) lost.push(stripe)
    }
    const doneBytes = place.fileOffset + place.dataBytes
    work.onProgress?.({ doneBytes, totalBytes: file.fileBytes })
  }
  const reports = shards.map((shard, index): ShardReport => {
    const wrong = shard?.wrong ?? null
    const faultCount = counts[index] ?? 0
    const damaged = wrong !== null || faultCount > 0
    return {
      shard: index,
      role: index < file.dataShards ? 'data' : 'parity',
      path: shard?.path ?? null,
      state: shard === undefined ? 'missing' : damaged ? 'damaged' : 'good',
      wrong,
      faultCount,
      faults: faults[index] ?? [],
    }
  })
  return {
    ...file,
    stripes,
    whole: reports.every(({ state }) => state === 'good'),
    recoverable: lostStripeCount === 0,
    lostStripeCount,
    lostStripes: lost,
    shards: reports,
    notes,
  }
}
