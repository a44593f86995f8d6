import { access } from 'node:fs/promises'
import { dirname } from 'node:path'
import { PurlinError } from '@purlin/base'
import { createCodec } from '../codec.ts'
import { FRAME_HEAD_BYTES } from '../stream/frame.ts'
import { type FileWork, refuseAborted } from './encode-file.ts'
import type { EncodedFile } from './header.ts'
import { stripeCount, stripePlace } from './layout.ts'
import { PartialFile, syncFolder } from './partial-file.ts'
import { readStripe } from './read-stripe.ts'
import { rebuildStripe } from './rebuild.ts'
import { type FileNote, openShardFiles } from './shard-files.ts'
import { shardPaths } from './shard-paths.ts'

export interface DecodeFileOptions extends FileWork {
  /** Whether a file that stands at the target already may be replaced. */
  readonly replace?: boolean
}

/** What was joined. */
export interface DecodedFileResult extends EncodedFile {
  readonly path: string
  readonly stripes: number
  /** Stripes of which a data shard was missing or damaged and was rebuilt. */
  readonly rebuiltStripes: number
  /** Shards that were missing or damaged anywhere. */
  readonly badShards: readonly number[]
  readonly notes: readonly FileNote[]
}

/** Joins the shard files that `inputs` name (files, or a folder of them) into the file they were
 *  made of. It gets its name when all of it is on the disk. Memory is one stripe.
 *  Errors: PUR_EC_TOO_FEW_SHARDS for a stripe that cannot be rebuilt; PUR_EC_SHARD_FILE;
 *  PUR_CANCELLED by the signal. */
export async function decodeFiles(
  inputs: readonly string[],
  target: string,
  options: DecodeFileOptions = {},
): Promise<DecodedFileResult> {
  await using files = await openShardFiles(await shardPaths(inputs))
  const { file, notes, shards } = files
  if (options.replace !== true) await refuseExisting(target)
  using codec = createCodec(file)
  await using partial = await PartialFile.create(target)
  const frames = codec.shardsOf(codec.allocStripe(FRAME_HEAD_BYTES + file.shardBytes))
  const bad = new Set(shards.flatMap((shard, index) => (shard === undefined ? index : [])))
  const stripes = stripeCount(file)
  let rebuiltStripes = 0
  for (let stripe = 0; stripe < stripes; stripe += 1) {
    refuseAborted(options.signal, target)
    const place = stripePlace(file, stripe)
    const read = await readStripe(files, place, frames)
    for (const { shard } of read.faults) bad.add(shard)
    const lost = read.payloads.slice(0, file.dataShards).includes(undefined)
    if (lost) rebuiltStripes += 1
    const payloads = rebuildStripe(codec, read, place, 'data').slice(0, file.dataShards)
    let left = place.dataBytes
    for (const payload of payloads) {
      const part = (payload ?? new Uint8Array()).subarray(0, left)
      left -= part.length
      await partial.append([part])
    }
    const doneBytes = place.fileOffset + place.dataBytes
    options.onProgress?.({ doneBytes, totalBytes: file.fileBytes })
  }
  await partial.sync()
  refuseAborted(options.signal, target)
  await partial.finish()
  await syncFolder(dirname(target))
  const badShards = [...bad].sort((a, b) => a - b)
  return { ...file, path: target, stripes, rebuiltStripes, badShards, notes }
}

async function refuseExisting(path: string): Promise<void> {
  const exists = await access(path).then(
    () => true,
    () => false,
  )
  if (!exists) return
  throw new PurlinError('PUR_EC_SHARD_FILE', {
    message: `cannot create ${path}: it is there already; take it away or replace it (--force)`,
    context: { path },
  })
}
