import { randomUUID } from 'node:crypto'
import { access, type FileHandle, mkdir, open } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { PurlinError } from '@purlin/base'
import { type Codec, type CodecOptions, createCodec } from '../codec.ts'
import { requireWhole } from '../errors.ts'
import { FRAME_HEAD_BYTES, writeFrameHead } from '../stream/frame.ts'
import { type EncodedFile, SHARD_BYTES_MAX, writeFileHeader } from './header.ts'
import { type StripePlace, shardFileName, stripeCount, stripePlace } from './layout.ts'
import { fileStep, PartialFile, syncFolder } from './partial-file.ts'

/** Bytes of a shard in a stripe where none are asked for. */
export const DEFAULT_FILE_SHARD_BYTES = 256 * 1024

/** How far work on files is. */
export interface FileProgress {
  readonly doneBytes: number
  readonly totalBytes: number
}

export interface FileWork {
  /** Gives the work up; partial files are taken away. */
  readonly signal?: AbortSignal
  /** Called after every stripe. */
  readonly onProgress?: (progress: FileProgress) => void
}

export interface EncodeFileOptions extends CodecOptions, FileWork {
  /** Folder of the shard files, made where it is absent; that of the file by default. */
  readonly folder?: string
  /** Bytes of a shard in a stripe, 1 to 64 MiB; 256 KiB where absent. Memory is `k + m` of them. */
  readonly shardBytes?: number
  /** Whether shard files that stand there already may be replaced. */
  readonly replace?: boolean
}

/** What was made of a file. */
export interface EncodedFileResult extends EncodedFile {
  readonly stripes: number
  /** The shard files in order of their shards. */
  readonly paths: readonly string[]
}

/** Encodes a file into `k + m` shard files, `NAME.shard-00` and on. They get their names when all
 *  of them are whole and on the disk.
 *  Errors: those of `createCodec`; PUR_EC_SHARD_FILE where a file cannot be read or written, exists
 *  already, or changes while it is read; PUR_CANCELLED by the signal. */
export async function encodeFile(
  path: string,
  options: EncodeFileOptions,
): Promise<EncodedFileResult> {
  const { folder = dirname(path), shardBytes = DEFAULT_FILE_SHARD_BYTES } = options
  requireWhole('shardBytes', shardBytes, 1, SHARD_BYTES_MAX)
  using codec = createCodec(options)
  await using source = await fileStep(`cannot read ${path}`, () => open(path, 'r'))
  const stats = await source.stat()
  if (!stats.isFile()) throw unreadable(path, 'it is no regular file')
  const { dataShards, parityShards, technique } = codec
  const file: EncodedFile = {
    ...{ dataShards, parityShards, technique, shardBytes },
    fileBytes: stats.size,
    encodingId: randomUUID().replaceAll('-', ''),
  }
  const total = dataShards + parityShards
  const paths = Array.from({ length: total }, (_, shard) =>
    join(folder, shardFileName(basename(path), shard, total)),
  )
  if (options.replace !== true) await refuseExisting(paths)
  await fileStep(`cannot make ${folder}`, () => mkdir(folder, { recursive: true }))

  await using targets = new AsyncDisposableStack()
  const partials: PartialFile[] = []
  for (const [shard, target] of paths.entries()) {
    const partial = targets.use(await PartialFile.create(target))
    await partial.append([writeFileHeader({ ...file, shard })])
    partials.push(partial)
  }
  const stripes = stripeCount(file)
  const frames = codec.shardsOf(codec.allocStripe(FRAME_HEAD_BYTES + shardBytes))
  for (let stripe = 0; stripe < stripes; stripe += 1) {
    refuseAborted(options.signal, path)
    const place = stripePlace(file, stripe)
    await readStripe(source, path, frames, file, place)
    const whole = encodeFrames(codec, frames, file, place)
    await Promise.all(
      partials.map((partial, shard) => partial.append(whole.slice(shard, shard + 1))),
    )
    const doneBytes = place.fileOffset + place.dataBytes
    options.onProgress?.({ doneBytes, totalBytes: file.fileBytes })
  }
  const { size } = await source.stat()
  if (size !== file.fileBytes) throw unreadable(path, 'it changed while it was read')
  await Promise.all(partials.map((partial) => partial.sync()))
  refuseAborted(options.signal, path)
  for (const partial of partials) await partial.finish()
  await syncFolder(folder)
  return { ...file, stripes, paths }
}

/** Reads a stripe's data into the payloads of its frames; what is left of the last one is zeros. */
async function readStripe(
  source: FileHandle,
  path: string,
  frames: readonly Uint8Array[],
  { dataShards }: EncodedFile,
  { fileOffset, dataBytes, payloadBytes }: StripePlace,
): Promise<void> {
  let left = dataBytes
  for (const frame of frames.slice(0, dataShards)) {
    const payload = frame.subarray(FRAME_HEAD_BYTES, FRAME_HEAD_BYTES + payloadBytes)
    const wanted = Math.min(left, payloadBytes)
    const offset = fileOffset + dataBytes - left
    const read = await fileStep(`cannot read ${path}`, () =>
      readFully(source, payload.subarray(0, wanted), offset),
    )
    if (read < wanted) throw unreadable(path, 'it changed while it was read')
    payload.fill(0, wanted)
    left -= wanted
  }
}

/** The frames of a stripe whose data payloads are filled: makes the parity and the heads. */
export function encodeFrames(
  codec: Codec,
  frames: readonly Uint8Array[],
  { encodingId, technique, dataShards, parityShards }: EncodedFile,
  { stripe, dataBytes, payloadBytes, last }: StripePlace,
): readonly Uint8Array[] {
  const whole = frames.map((frame) => frame.subarray(0, FRAME_HEAD_BYTES + payloadBytes))
  const payloads = whole.map((frame) => frame.subarray(FRAME_HEAD_BYTES))
  if (payloadBytes > 0) {
    codec.encodeSync(payloads.slice(0, dataShards), payloads.slice(dataShards))
  }
  for (const [shard, frame] of whole.entries()) {
    const of = { encodingId, technique, dataShards, parityShards }
    const head = { ...of, shard, stripe, payloadBytes, stripeDataBytes: dataBytes, last }
    writeFrameHead(frame, head, frame.subarray(FRAME_HEAD_BYTES))
  }
  return whole
}

/** Fills `target` from `offset` on and returns how many bytes there were. */
export async function readFully(
  source: FileHandle,
  target: Uint8Array,
  offset: number,
): Promise<number> {
  let done = 0
  while (done < target.length) {
    const { bytesRead } = await source.read(target, done, target.length - done, offset + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return done
}

/** Ends work whose signal is aborted. Errors: PUR_CANCELLED. */
export function refuseAborted(signal: AbortSignal | undefined, path: string): void {
  if (signal?.aborted !== true) return
  throw new PurlinError('PUR_CANCELLED', {
    message: `${path}: given up by the caller; nothing was put in place`,
    cause: signal.reason,
  })
}

async function refuseExisting(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const exists = await access(path).then(
      () => true,
      () => false,
    )
    if (!exists) continue
    throw new PurlinError('PUR_EC_SHARD_FILE', {
      message: `cannot create ${path}: it is there already; take it away or replace it (--force)`,
      context: { path },
    })
  }
}

function unreadable(path: string, found: string): PurlinError {
  return new PurlinError('PUR_EC_SHARD_FILE', {
    message: `cannot read ${path}: ${found}`,
    context: { path },
  })
}
