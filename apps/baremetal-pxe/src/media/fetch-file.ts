import { type Clock, PurlinError, withDeadline } from '@purlin/base'
import { type Receipt, type Received, receive, sizeOf } from './receive.ts'

const ATTEMPTS = 5
const FIRST_PAUSE_MS = 1_000
const SILENCE_MS = 60_000

/** The seam to the web. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

export interface FetchFileOptions {
  readonly url: string
  readonly receipt: Omit<Receipt, 'offset' | 'sizeBytes'>
  readonly fetch: Fetch
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly onSize: (sizeBytes: number) => void
  /** A checksum will judge the whole, so a part of a former run may be gone on with. */
  readonly checked: boolean
}

/** Fetches a file into its part. A lost connection goes on where it was, given up after five
 *  without a byte; one minute without a byte counts as lost. Errors: PUR_MEDIA_FETCH,
 *  PUR_MEDIA_SPACE, the signal’s reason. */
export async function fetchFile(options: FetchFileOptions): Promise<Received> {
  const { clock, signal, receipt, url, checked } = options
  // A part of a former run may be of another file; only a checksum would tell.
  const from: Continuation = { bytes: checked ? await sizeOf(receipt.part) : 0 }
  for (let attempt = 1; ; attempt++) {
    const before = from.bytes
    try {
      return await fetchRest(options, from)
    } catch (thrown) {
      signal.throwIfAborted()
      if (thrown instanceof PurlinError && thrown.code.startsWith('PUR_MEDIA_')) throw thrown
      if (from.bytes > before) attempt = 1
      if (thrown instanceof Refused || attempt >= ATTEMPTS) {
        throw fetchError(receipt.title, url, thrown, attempt)
      }
      await clock.sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1), signal)
    }
  }
}

/** Where the next attempt goes on, and of which file. */
interface Continuation {
  bytes: number
  /** ETag or date of the file whose part is here (RFC 9110, 13.1.5). */
  validator?: string
}

/** An answer that the next attempt would get again. */
class Refused extends Error {}

async function fetchRest(options: FetchFileOptions, from: Continuation): Promise<Received> {
  const { url, fetch, receipt, signal, onSize } = options
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  try {
    const headers = headersOf(from)
    const ask = (): Promise<Response> => fetch(url, { headers, signal: both })
    const response = await withDeadline(`waiting for ${url}`, SILENCE_MS, ask)
    const { offset, sizeBytes } = placeOf(response, from)
    const validator = response.headers.get('etag') ?? response.headers.get('last-modified')
    if (validator !== null && !validator.startsWith('W/')) from.validator = validator
    from.bytes = offset
    if (sizeBytes !== undefined) onSize(sizeBytes)
    const onBytes = (bytes: number): void => {
      from.bytes = bytes
      receipt.onBytes(bytes)
    }
    const whole = { ...receipt, onBytes, offset, ...(sizeBytes !== undefined && { sizeBytes }) }
    const isWhole = sizeBytes !== undefined && offset === sizeBytes
    const chunks = isWhole || response.body === null ? nothing() : response.body
    const received = await receive(whole, chunks, signal)
    if (sizeBytes !== undefined && received.bytes < sizeBytes) {
      throw new Error(`ended after ${received.bytes} of ${sizeBytes} bytes`)
    }
    return received
  } finally {
    stop.abort()
  }
}

function headersOf({ bytes, validator }: Continuation): Record<string, string> {
  return {
    'accept-encoding': 'identity',
    ...(bytes > 0 && { range: `bytes=${bytes}-` }),
    ...(bytes > 0 && validator !== undefined && { 'if-range': validator }),
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** Where the answer’s body goes, and how long the whole is. */
function placeOf(
  response: Response,
  from: Continuation,
): { readonly offset: number; readonly sizeBytes?: number } {
  const { status, headers } = response
  const have = from.bytes
  const length = headers.get('content-length')
  if (status === 200) return { offset: 0, ...(length !== null && { sizeBytes: Number(length) }) }
  const range = headers.get('content-range') ?? ''
  const total = /\/(\d+)$/.exec(range)?.[1]
  if (status === 206 && Number(/^bytes (\d+)-/.exec(range)?.[1]) === have) {
    return { offset: have, ...(total !== undefined && { sizeBytes: Number(total) }) }
  }
  // The part is all there is, or longer than the file has become.
  if (status === 416 && Number(total) === have) return { offset: have, sizeBytes: have }
  if (status === 416) {
    from.bytes = 0
    throw new Error('the file has become another')
  }
  if (status >= 500 || status === 408 || status === 429) throw new Error(`answered ${status}`)
  throw new Refused(`answered ${status}`)
}

function fetchError(title: string, url: string, thrown: unknown, attempts: number): PurlinError {
  const found = thrown instanceof Error ? thrown.message : String(thrown)
  const tried = attempts === 1 ? '' : ` after ${attempts} attempts`
  return new PurlinError('PUR_MEDIA_FETCH', {
    message: `${title}: ${url} could not be fetched${tried}: ${found}; correct it, or upload the file`,
    cause: thrown,
  })
}
