import { type FileHandle, open } from 'node:fs/promises'
import { basename } from 'node:path'
import { PurlinError } from '@purlin/base'
import { shapeText } from '../shape.ts'
import { FRAME_HEAD_BYTES, readFrameHead } from '../stream/frame.ts'
import { readFully } from './encode-file.ts'
import { type EncodedFile, FILE_HEADER_BYTES, type FileHeader, readFileHeader } from './header.ts'
import { readShardFileName, shardFileBytes } from './layout.ts'
import { fileStep } from './partial-file.ts'

/** Something to know about one of the files that were given. */
export interface FileNote {
  readonly path: string
  readonly what: string
}

/** An open shard file. */
export interface ShardFile {
  readonly path: string
  readonly shard: number
  readonly handle: FileHandle
  /** What is wrong with the file as a whole, though its frames may be good. */
  readonly wrong: string | undefined
}

/** The open shard files of one encoding. */
export interface ShardFiles extends AsyncDisposable {
  readonly file: EncodedFile
  /** By shard; undefined where there is no file of it. */
  readonly shards: readonly (ShardFile | undefined)[]
  /** Files left aside, and files whose name tells another shard than they hold. */
  readonly notes: readonly FileNote[]
}

interface Candidate {
  readonly path: string
  readonly handle: FileHandle
  readonly sizeBytes: number
  readonly header: FileHeader | { readonly wrong: string }
}

/** Opens the shard files at `paths` and keeps those of the encoding that most of them belong to.
 *  What a file holds is told by its header and frames, never by its name.
 *  Errors: PUR_EC_SHARD_FILE where there is no shard file, or where two encodings have as many. */
export async function openShardFiles(paths: readonly string[]): Promise<ShardFiles> {
  await using opened = new AsyncDisposableStack()
  const candidates: Candidate[] = []
  const notes: FileNote[] = []
  for (const path of paths) {
    const handle = await fileStep(`cannot read ${path}`, () => open(path, 'r'))
    opened.use(handle)
    const bytes = Buffer.alloc(FILE_HEADER_BYTES)
    const read = await fileStep(`cannot read ${path}`, () => readFully(handle, bytes, 0))
    const { size } = await handle.stat()
    const header = readFileHeader(bytes.subarray(0, read))
    candidates.push({ path, handle, sizeBytes: size, header })
  }
  const file = chooseEncoding(candidates)
  const shards = new Array<ShardFile | undefined>(file.dataShards + file.parityShards)
  shards.fill(undefined)
  const unknown: Candidate[] = []
  for (const candidate of candidates) {
    const placed = await place(candidate, file)
    if (placed === undefined) unknown.push(candidate)
    else if ('what' in placed) notes.push(placed)
    else if (shards[placed.shard] === undefined) shards[placed.shard] = placed
    else notes.push({ path: candidate.path, what: `another copy of shard ${placed.shard}` })
  }
  for (const { path, handle, header } of unknown) {
    const wrong = 'wrong' in header ? header.wrong : ''
    // Nothing of such a file is trusted but frames with a right checksum, so its name may speak.
    const shard = readShardFileName(basename(path))?.shard
    if (shard !== undefined && shard < shards.length && shards[shard] === undefined) {
      shards[shard] = { path, shard, handle, wrong }
    } else notes.push({ path, what: `${wrong}, and it was left aside` })
  }
  for (const shard of shards) {
    const named = shard && readShardFileName(basename(shard.path))?.shard
    if (shard !== undefined && named !== undefined && named !== shard.shard) {
      const what = `it holds shard ${shard.shard}, though its name tells ${named}`
      notes.push({ path: shard.path, what: `${what}; it was used as what it holds` })
    }
  }
  const handles = opened.move()
  return { file, shards, notes, [Symbol.asyncDispose]: () => handles.disposeAsync() }
}

function chooseEncoding(candidates: readonly Candidate[]): EncodedFile {
  const headers = candidates.flatMap(({ header }) => ('wrong' in header ? [] : [header]))
  const groups = Map.groupBy(headers, (header) => JSON.stringify(encodingOf(header)))
  const ranked = [...groups.values()]
    .map((group) => ({ first: group[0], shards: new Set(group.map(({ shard }) => shard)).size }))
    .sort((one, other) => other.shards - one.shards)
  const [best, second] = ranked
  if (best?.first === undefined) {
    const found = candidates
      .flatMap(({ path, header }) => ('wrong' in header ? [`${path}: ${header.wrong}`] : []))
      .slice(0, 4)
      .join('; ')
    throw new PurlinError('PUR_EC_SHARD_FILE', {
      message: `none of the files given has a shard file’s header: ${found || 'no file was given'}`,
    })
  }
  if (second?.shards === best.shards) {
    throw new PurlinError('PUR_EC_SHARD_FILE', {
      message:
        `the files given are of ${ranked.length} encodings with as many shards each; ` +
        'name those of one of them',
    })
  }
  return encodingOf(best.first)
}

function encodingOf(file: EncodedFile): EncodedFile {
  const { dataShards, parityShards, technique, shardBytes, fileBytes, encodingId } = file
  return { dataShards, parityShards, technique, shardBytes, fileBytes, encodingId }
}

/** What a file is among those of `file`, undefined where it cannot be told. One with a rotten
 *  header is known by its first frame. */
async function place(
  { path, handle, sizeBytes, header }: Candidate,
  file: EncodedFile,
): Promise<ShardFile | FileNote | undefined> {
  if (!('wrong' in header)) {
    if (header.encodingId !== file.encodingId) {
      const of = `${shapeText(header)}, id ${header.encodingId}`
      return { path, what: `it belongs to another encoding (${of}) and was left aside` }
    }
    return { path, shard: header.shard, handle, wrong: lengthFault(sizeBytes, file) }
  }
  const bytes = Buffer.alloc(FRAME_HEAD_BYTES)
  await fileStep(`cannot read ${path}`, () => readFully(handle, bytes, FILE_HEADER_BYTES))
  const frame = readFrameHead(bytes)
  if (frame === undefined || frame.encodingId !== file.encodingId) return undefined
  return { path, shard: frame.shard, handle, wrong: header.wrong }
}

function lengthFault(sizeBytes: number, file: EncodedFile): string | undefined {
  const wanted = shardFileBytes(file)
  if (sizeBytes === wanted) return undefined
  const many = Math.abs(sizeBytes - wanted)
  return sizeBytes < wanted
    ? `it is truncated: ${many} of its ${wanted} bytes are gone`
    : `it has ${many} bytes too many`
}
