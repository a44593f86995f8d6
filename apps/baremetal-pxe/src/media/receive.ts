import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { PurlinError, withDeadline } from '@purlin/base'

/** Left free for the rest of the daemon: its store, its recordings. */
const RESERVE_BYTES = 256 * 1024 * 1024
const LOOK_EVERY_BYTES = 64 * 1024 * 1024
const SILENCE_MS = 60_000
const READ_BYTES = 1024 * 1024
const FILE_BYTES_MOST = 64 * 1024 ** 3

/** A file on its way: where it is gathered, and what it is to become. */
export interface Receipt {
  /** Whose file, for sentences: `InstallMedia debian-13`. */
  readonly title: string
  readonly part: string
  /** How much of `part` counts; the rest is cut off. */
  readonly offset: number
  /** Of the whole; absent where its sender does not say. */
  readonly sizeBytes?: number
  /** How much room is needed beside the file itself, in its own sizes: 1 for a tree. */
  readonly roomFactor: number
  /** Free bytes of the file system of a folder. */
  readonly freeBytes: (folder: string) => Promise<number>
  readonly onBytes: (bytes: number) => void
}

/** Free bytes for an unprivileged program. */
export async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}

/** How much of a file is there now, and the SHA-256 of it. */
export interface Received {
  readonly bytes: number
  readonly sha256: string
}

/** Gathers a stream behind what is there, hashing as it comes. What came stays on disk when the
 *  stream breaks. Errors: PUR_MEDIA_SPACE before anything is written where
 *  it is known, PUR_MEDIA_OFFSET for more than was said; those of the stream. */
export async function receive(
  receipt: Receipt,
  body: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<Received> {
  const { title, part, offset, sizeBytes, onBytes } = receipt
  await refuseFull(receipt, (sizeBytes ?? 0) - offset)
  const hash = createHash('sha256')
  if (offset > 0) await feed(hash, part, { end: offset - 1, ...(signal && { signal }) })
  const file = await open(part, offset === 0 ? 'w' : 'r+')
  let bytes = offset
  try {
    await file.truncate(offset)
    let looked = bytes
    for await (const chunk of patiently(title, body, signal)) {
      if (bytes + chunk.length > Math.min(sizeBytes ?? FILE_BYTES_MOST, FILE_BYTES_MOST)) {
        throw tooLong(title, Math.min(sizeBytes ?? FILE_BYTES_MOST, FILE_BYTES_MOST))
      }
      if (bytes - looked >= LOOK_EVERY_BYTES) {
        looked = bytes
        await refuseFull(receipt, 0)
      }
      let written = 0
      while (written < chunk.length) {
        written += (await file.write(chunk, written, chunk.length - written, bytes + written))
          .bytesWritten
      }
      hash.update(chunk)
      bytes += chunk.length
      onBytes(bytes)
    }
    return { bytes, sha256: hash.digest('hex') }
  } catch (thrown) {
    throw isFull(thrown) ? noRoom(title, part, 0, 0) : thrown
  } finally {
    await file.sync().catch(() => {})
    await file.close()
  }
}

/** The chunks of a stream; whoever says nothing for a minute is gone, and an ended signal does not
 *  wait for the next chunk. */
async function* patiently(
  title: string,
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const iterator = body[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = (): Promise<IteratorResult<Uint8Array>> => iterator.next()
      const step = await withDeadline(`${title}: receiving it`, SILENCE_MS, next, signal)
      if (step.done === true) return
      yield step.value
    }
  } finally {
    // It may still be waiting for its next chunk; nobody waits for that.
    iterator.return?.()?.catch(() => {})
  }
}

/** SHA-256 of a file in hexadecimal. */
export async function sha256Of(file: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  await feed(hash, file, { ...(signal && { signal }) })
  return hash.digest('hex')
}

async function feed(
  hash: Hash,
  file: string,
  range: { readonly end?: number; readonly signal?: AbortSignal },
): Promise<void> {
  const chunks = createReadStream(file, { highWaterMark: READ_BYTES, ...range })
  for await (const chunk of chunks) hash.update(chunk as Buffer)
}

/** Bytes of a file; 0 where there is none. */
export async function sizeOf(file: string): Promise<number> {
  return await stat(file).then(
    ({ size }) => size,
    () => 0,
  )
}

async function refuseFull(receipt: Receipt, moreBytes: number): Promise<void> {
  const { title, part, sizeBytes = 0, roomFactor, freeBytes } = receipt
  const needed = Math.max(0, moreBytes) + Math.ceil(sizeBytes * roomFactor) + RESERVE_BYTES
  const free = await freeBytes(dirname(part))
  if (free < needed) throw noRoom(title, part, needed, free)
}

function noRoom(title: string, part: string, neededBytes: number, freeBytes: number): PurlinError {
  const figures = neededBytes > 0 ? `${neededBytes} bytes are needed, ${freeBytes} free` : 'full'
  return new PurlinError('PUR_MEDIA_SPACE', {
    message: `${title}: no room in ${dirname(part)}: ${figures}; make room or move the folder`,
    context: { neededBytes, freeBytes },
  })
}

function tooLong(title: string, sizeBytes: number): PurlinError {
  return new PurlinError('PUR_MEDIA_OFFSET', {
    message: `${title}: more than the ${sizeBytes} bytes came that were said; begin anew`,
    context: { bytes: 0 },
  })
}

function isFull(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOSPC'
}
