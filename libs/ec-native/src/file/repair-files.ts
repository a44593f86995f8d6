import { access } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { PurlinError } from '@purlin/base'
import { createCodec } from '../codec.ts'
import { FRAME_HEAD_BYTES, writeFrameHead } from '../stream/frame.ts'
import { type FileWork, refuseAborted } from './encode-file.ts'
import { writeFileHeader } from './header.ts'
import { readShardFileName, shardFileName, stripePlace } from './layout.ts'
import { PartialFile, syncFolder } from './partial-file.ts'
import { readStripe } from './read-stripe.ts'
import { rebuildStripe } from './rebuild.ts'
import { openShardFiles, type ShardFiles } from './shard-files.ts'
import { shardPaths } from './shard-paths.ts'
import { type VerifyReport, verifyOpen } from './verify-files.ts'

/** What was repaired. */
export interface RepairResult {
  /** What was found before. */
  readonly found: VerifyReport
  /** The shard files that were written. */
  readonly repaired: readonly { readonly shard: number; readonly path: string }[]
}

/** Looks at every byte of the shard files that `inputs` name (files, or a folder of them) and
 *  writes those anew that are missing or damaged, frame by frame from whatever is good. A file is
 *  replaced only when all of the repaired ones are whole and on the disk; good files are never
 *  written. Memory is two stripes; everything is read twice.
 *  Errors: PUR_EC_TOO_FEW_SHARDS for a stripe that cannot be rebuilt, and then nothing was
 *  changed; PUR_EC_SHARD_FILE; PUR_CANCELLED by the signal. */
export async function repairFiles(
  inputs: readonly string[],
  work: FileWork = {},
): Promise<RepairResult> {
  await using files = await openShardFiles(await shardPaths(inputs))
  const { file } = files
  const half = file.fileBytes
  const found = await verifyOpen(files, {
    ...work,
    onProgress: ({ doneBytes }) => work.onProgress?.({ doneBytes, totalBytes: 2 * half }),
  })
  const bad = found.shards.filter(({ state }) => state !== 'good').map(({ shard }) => shard)
  if (bad.length === 0) return { found, repaired: [] }
  const paths = await targetsOf(files, bad)

  using codec = createCodec(file)
  await using targets = new AsyncDisposableStack()
  const partials = new Map<number, PartialFile>()
  for (const [shard, path] of paths) {
    const partial = targets.use(await PartialFile.create(path))
    await partial.append([writeFileHeader({ ...file, shard })])
    partials.set(shard, partial)
  }
  const frames = codec.shardsOf(codec.allocStripe(FRAME_HEAD_BYTES + file.shardBytes))
  for (let stripe = 0; stripe < found.stripes; stripe += 1) {
    refuseAborted(work.signal, basename([...paths.values()][0] ?? ''))
    const place = stripePlace(file, stripe)
    const read = await readStripe(files, place, frames)
    const payloads = rebuildStripe(codec, read, place, 'all')
    for (const [shard, partial] of partials) {
      const payload = payloads[shard] ?? new Uint8Array()
      const head = new Uint8Array(FRAME_HEAD_BYTES)
      const { payloadBytes, dataBytes: stripeDataBytes, last } = place
      const of = { shard, stripe, payloadBytes, stripeDataBytes, last }
      writeFrameHead(head, { ...file, ...of }, payload)
      await partial.append([head, payload])
    }
    const doneBytes = half + place.fileOffset + place.dataBytes
    work.onProgress?.({ doneBytes, totalBytes: 2 * half })
  }
  for (const partial of partials.values()) await partial.sync()
  refuseAborted(work.signal, 'repair')
  for (const partial of partials.values()) await partial.finish()
  for (const folder of new Set([...paths.values()].map((path) => dirname(path)))) {
    await syncFolder(folder)
  }
  return { found, repaired: [...paths].map(([shard, path]) => ({ shard, path })) }
}

/** Where each bad shard goes: in the place of its damaged file, else beside the others under the
 *  usual name. Errors: PUR_EC_SHARD_FILE where something else stands there. */
async function targetsOf(
  { file, shards }: ShardFiles,
  bad: readonly number[],
): Promise<ReadonlyMap<number, string>> {
  const known = shards.find((shard) => shard !== undefined)?.path ?? ''
  const name = readShardFileName(basename(known))?.name ?? basename(known)
  const targets = new Map<number, string>()
  for (const shard of bad) {
    const own = shards[shard]?.path
    const usual = join(dirname(known), shardFileName(name, shard, shards.length))
    if (own === undefined) await refuseTaken(usual, shard, file.encodingId)
    targets.set(shard, own ?? usual)
  }
  return targets
}

async function refuseTaken(path: string, shard: number, encodingId: string): Promise<void> {
  const taken = await access(path).then(
    () => true,
    () => false,
  )
  if (!taken) return
  throw new PurlinError('PUR_EC_SHARD_FILE', {
    message:
      `cannot write shard ${shard} to ${path}: another file stands there; move it away, or ` +
      'rename it to the shard it holds',
    context: { path, shard, encodingId },
  })
}
