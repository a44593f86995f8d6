import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { PurlinError } from '@purlin/base'
import type { ContentStatus, Resource } from '@purlin/schema'
import type { CallOptions } from '../connect/call.ts'
import { callOf } from '../connect/operation.ts'
import type { Transport } from '../connect/transport.ts'
import { type Collection, collectionOf } from '../resources/collection.ts'

export interface UploadOptions {
  readonly signal?: AbortSignal
  /** Milliseconds for the whole upload; two hours unless told. */
  readonly deadlineMs?: number
  readonly onProgress?: (sentBytes: number, sizeBytes: number) => void
}

/** Resources that have a file of their own. */
export interface ContentCollection<K extends 'InstallMedia' | 'Image'> extends Collection<K> {
  /** Sends the file. An upload that is cut off goes on where it was; a file that is there already,
   *  by its SHA-256, is not sent again. Errors: PUR_INVALID where the file cannot be read,
   *  PUR_MEDIA_*. */
  upload(name: string, file: string, options?: UploadOptions): Promise<ContentStatus>
  /** How far the file is. */
  content(name: string, options?: CallOptions): Promise<ContentStatus | undefined>
}

const UPLOAD_DEADLINE_MS = 7_200_000
const ATTEMPTS = 5
const PAUSE_MS = 2_000
const READ_BYTES = 1024 * 1024

/** The media or images behind `transport`. */
export function contentsOf<K extends 'InstallMedia' | 'Image'>(
  transport: Transport,
  kind: K,
): ContentCollection<K> {
  const collection = collectionOf(transport, kind)
  const content = async (name: string, options?: CallOptions) => {
    const { status } = (await collection.get(name, options)) as Resource<'InstallMedia' | 'Image'>
    return status.content
  }
  return {
    ...collection,
    content,
    upload: (name, file, options = {}) => upload({ transport, kind, name, content }, file, options),
  }
}

interface Target {
  readonly transport: Transport
  readonly kind: 'InstallMedia' | 'Image'
  readonly name: string
  readonly content: (name: string, options?: CallOptions) => Promise<ContentStatus | undefined>
}

async function upload(
  target: Target,
  file: string,
  options: UploadOptions,
): Promise<ContentStatus> {
  const { transport, name, content } = target
  const { signal, onProgress } = options
  const sizeBytes = await sizeOf(file)
  const there = await content(name, { ...(signal && { signal }) })
  if (there?.sha256 !== undefined && there.sizeBytes === sizeBytes && there.state !== 'failed') {
    if (there.sha256 === (await sha256Of(file, signal))) {
      onProgress?.(sizeBytes, sizeBytes)
      return there
    }
  }
  // A part of another run may be of another file, so only what this run has sent is gone on with.
  let offset = 0
  for (let attempt = 1; ; attempt++) {
    try {
      const status = await send(target, file, { offset, sizeBytes }, options)
      if (status.state !== 'absent') return status
      offset = status.bytes
    } catch (thrown) {
      const lost = thrown instanceof PurlinError && thrown.code === 'PUR_AGENT_UNREACHABLE'
      if (!lost || attempt >= ATTEMPTS) throw thrown
      await transport.options.clock.sleep(PAUSE_MS, signal)
      const before = offset
      offset = (await content(name, { ...(signal && { signal }) }))?.bytes ?? 0
      if (offset > before) attempt = 1
    }
  }
}

async function send(
  { transport, kind, name }: Target,
  file: string,
  query: { readonly offset: number; readonly sizeBytes: number },
  { signal, deadlineMs = UPLOAD_DEADLINE_MS, onProgress }: UploadOptions,
): Promise<ContentStatus> {
  const call = callOf(transport, kind === 'Image' ? 'uploadImage' : 'uploadMedia', {
    parts: { name },
    query,
    options: { deadlineMs, attempts: 1, ...(signal && { signal }) },
  })
  const body = (): Readable => Readable.from(told(file, query, onProgress), { objectMode: false })
  const answered = await transport.json({ ...call, body, bodyType: 'application/octet-stream' })
  return answered as ContentStatus
}

async function* told(
  file: string,
  { offset, sizeBytes }: { readonly offset: number; readonly sizeBytes: number },
  onProgress: UploadOptions['onProgress'],
): AsyncGenerator<Buffer, void> {
  let sent = offset
  for await (const chunk of createReadStream(file, { start: offset, highWaterMark: READ_BYTES })) {
    yield chunk as Buffer
    sent += (chunk as Buffer).length
    onProgress?.(sent, sizeBytes)
  }
}

async function sizeOf(file: string): Promise<number> {
  const found = await stat(file).catch((thrown: unknown) => {
    const message = `${file}: ${thrown instanceof Error ? thrown.message : String(thrown)}`
    throw new PurlinError('PUR_INVALID', { message, cause: thrown })
  })
  if (found.isFile() && found.size > 0) return found.size
  const what = found.isDirectory() ? 'is a folder; pack it: tar -cf' : 'is no file, or empty'
  throw new PurlinError('PUR_INVALID', { message: `${file}: ${what}` })
}

async function sha256Of(file: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  const options = { highWaterMark: READ_BYTES, ...(signal && { signal }) }
  for await (const chunk of createReadStream(file, options)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
