import { constants } from 'node:fs'
import { type FileHandle, open, readlink, realpath } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { sep } from 'node:path'
import { rangeStillHolds, readRange } from './range.ts'

/** One read of a file, and one write to a connection. Two are in the air for each transfer. */
const CHUNK_BYTES = 512 * 1024
/** At most as many buffers in all, in use or kept: 128 MiB. */
const BUFFER_LIMIT = 256
const RETRY_SECONDS = 5

/** What was answered, for the access log. */
export interface Sent {
  readonly status: number
  readonly bytes: number
  readonly reason?: string
}

/** A file that was opened to be served. */
export interface OpenFile {
  readonly handle: FileHandle
  readonly sizeBytes: number
  readonly entityTag: string
  readonly lastModified: string
}

/** Opens a file to serve it; undefined where there is none that may be. With `tree` the file must
 *  lie in that folder after every symbolic link was followed; the kernel is asked where the open
 *  file lies, so nothing can be changed in between. Neither folders nor devices are served. */
export async function openServed(path: string, tree?: string): Promise<OpenFile | undefined> {
  let handle: FileHandle | undefined
  try {
    // A pipe without a writer would otherwise hold the call for ever.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const { size, mtimeMs, ino, mtime } = await checkedStat(handle, tree)
    const entityTag = `"${ino.toString(16)}-${size.toString(16)}-${Math.round(mtimeMs * 1_000).toString(16)}"`
    return { handle, sizeBytes: size, entityTag, lastModified: mtime.toUTCString() }
  } catch {
    await handle?.close()
    return undefined
  }
}

async function checkedStat(handle: FileHandle, tree: string | undefined) {
  const found = await handle.stat()
  if (!found.isFile()) throw new Error('no file')
  if (tree !== undefined) {
    const [root, real] = await Promise.all([realpath(tree), readlink(`/proc/self/fd/${handle.fd}`)])
    if (!real.startsWith(root.endsWith(sep) ? root : `${root}${sep}`)) throw new Error('outside')
  }
  return found
}

/** Buffers for transfers: constant memory, whatever is asked. */
export class BufferPool {
  readonly #limit: number
  readonly #free: Buffer[] = []
  #out = 0

  constructor(limit = BUFFER_LIMIT) {
    this.#limit = limit
  }

  /** Two buffers, or undefined when too many are out. */
  take(): readonly [Buffer, Buffer] | undefined {
    if (this.#out + 2 > this.#limit) return undefined
    this.#out += 2
    const one = (): Buffer => this.#free.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES)
    return [one(), one()]
  }

  give(buffers: readonly Buffer[]): void {
    this.#out -= buffers.length
    this.#free.push(...buffers)
  }
}

/** Answers with a file or the range of it that was asked for, and closes it. Resolves when the last
 *  byte was handed to the kernel, or the client has gone. */
export async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  file: OpenFile,
  pool: BufferPool,
): Promise<Sent> {
  try {
    return await answerWith(request, response, file, pool)
  } finally {
    await file.handle.close()
  }
}

async function answerWith(
  request: IncomingMessage,
  response: ServerResponse,
  file: OpenFile,
  pool: BufferPool,
): Promise<Sent> {
  const { sizeBytes, entityTag, lastModified } = file
  const asked = rangeStillHolds(String(request.headers['if-range'] ?? '') || undefined, file)
    ? readRange(request.headers.range, sizeBytes)
    : ({ part: 'whole' } as const)
  response.setHeader('Accept-Ranges', 'bytes')
  if (asked.part === 'none') {
    response.setHeader('Content-Range', `bytes */${sizeBytes}`)
    return sendText(response, 416, `${asked.reason}\n`)
  }
  const { first, last } = asked.part === 'range' ? asked : { first: 0, last: sizeBytes - 1 }
  const status = asked.part === 'range' ? 206 : 200
  const lengthBytes = last - first + 1
  const head = {
    'Content-Type': 'application/octet-stream',
    'Content-Length': lengthBytes,
    ETag: entityTag,
    'Last-Modified': lastModified,
    ...(status === 206 && { 'Content-Range': `bytes ${first}-${last}/${sizeBytes}` }),
  }
  if (request.method === 'HEAD' || lengthBytes === 0) {
    response.writeHead(status, head).end()
    return { status, bytes: 0 }
  }
  const buffers = pool.take()
  if (buffers === undefined) {
    response.setHeader('Retry-After', RETRY_SECONDS)
    return sendText(response, 503, 'too many files are being sent: come again\n')
  }
  try {
    response.writeHead(status, head)
    const bytes = await copy(file.handle, response, { first, lengthBytes, buffers })
    return { status, bytes }
  } finally {
    pool.give(buffers)
  }
}

/** Copies with one read ahead: while the kernel takes one buffer the other is filled. A client that
 *  does not read stops it there. Answers how many bytes the kernel took. */
async function copy(
  handle: FileHandle,
  response: ServerResponse,
  range: {
    readonly first: number
    readonly lengthBytes: number
    readonly buffers: readonly [Buffer, Buffer]
  },
): Promise<number> {
  let at = range.first
  const end = range.first + range.lengthBytes
  const gone = new Promise<void>((resolve) => response.once('close', resolve))
  const fill = async (buffer: Buffer): Promise<Buffer> => {
    const wanted = Math.min(buffer.length, end - at)
    const { bytesRead } = await handle.read(buffer, 0, wanted, at)
    at += bytesRead
    return buffer.subarray(0, bytesRead)
  }
  let [taken, spare] = range.buffers
  let sentBytes = 0
  try {
    let chunk: Buffer | undefined = await fill(taken)
    while (chunk !== undefined && chunk.length > 0 && !response.destroyed) {
      const current: Buffer = chunk
      const written = new Promise<boolean>((resolve) => {
        response.write(current, (error) => resolve(error === undefined || error === null))
      })
      ;[taken, spare] = [spare, taken]
      const [next, isWritten] = await Promise.all([
        at < end ? fill(taken) : undefined,
        Promise.race([written, gone.then(() => false)]),
      ])
      if (!isWritten) break
      sentBytes += current.length
      chunk = next
    }
  } catch (thrown) {
    // Before the buffers go to somebody else.
    response.destroy()
    throw thrown
  }
  // A file that became shorter cannot be made good: the client must see a broken transfer.
  if (sentBytes === range.lengthBytes) response.end()
  else response.destroy()
  return sentBytes
}

/** Answers with a short text. */
export function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  contentType = 'text/plain; charset=utf-8',
): Sent {
  const body = Buffer.from(text)
  response.writeHead(status, { 'Content-Type': contentType, 'Content-Length': body.length })
  response.end(response.req.method === 'HEAD' ? undefined : body)
  return status < 400 ? { status, bytes: body.length } : { status, bytes: 0, reason: text.trim() }
}
