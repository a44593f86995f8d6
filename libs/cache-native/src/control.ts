import { join } from 'node:path'
import {
  type ErrorCode,
  errorCatalogue,
  exchangeLine,
  PurlinError,
  withDeadline,
} from '@purlin/base'

/** The version of the words, and the socket in the daemon’s folder (docs/blockd.md). */
const VERSION = 1
const SOCKET = 'blockd.control.sock'

export type CacheMode = 'writethrough' | 'writeback' | 'pass-through'

/** How the cache of one slow device is. */
export interface CacheLayer {
  readonly origin: string
  readonly devices: readonly string[]
  readonly phase: 'starting' | 'running' | 'detached' | 'refused'
  readonly error: { readonly code: string; readonly message: string } | null
  readonly mode: CacheMode
  readonly sizeBytes: number
  readonly cachedBytes: number
  readonly dirtyBytes: number
  readonly lostBytes: number
  /** First bytes of 4096 that are lost; the first 256 of them. */
  readonly lostOffsets: readonly number[]
  readonly devicesInUse: number
  /** Of an SSD that is being filled: what it has so far. */
  readonly adoptedBytes?: number | null
  readonly deviceErrors: number
  readonly readPages: number
  readonly missedPages: number
  readonly writtenPages: number
  readonly originReads: number
  readonly originWrites: number
  readonly deviceWrittenBytes: number
}

/** Requests of a volume since the last time. */
export interface RecordedPart {
  /** Lines of a `csv` trace. */
  readonly lines: string
  readonly requests: number
  readonly more: boolean
  /** Requests that came faster than they were taken, since the beginning. */
  readonly dropped: number
}

/** The calls with their words and their answers. */
export interface CacheCalls {
  /** `cached` is the name of the device that the daemon serves; absent where it serves pools. */
  readonly status: { readonly words: object; readonly answer: { readonly cached?: string } }
  readonly 'cache-status': {
    readonly words: { readonly pool: string }
    readonly answer: {
      readonly layers: readonly CacheLayer[]
      /** Disks of a pool that came while it was in use: no cache stands before them. */
      readonly uncachedDisks?: readonly string[]
    }
  }
  readonly 'cache-mode': {
    readonly words: { readonly pool: string; readonly mode: CacheMode }
    readonly answer: object
  }
  readonly 'cache-flush': { readonly words: { readonly pool: string }; readonly answer: object }
  readonly 'cache-attach': { readonly words: { readonly pool: string }; readonly answer: object }
  readonly 'cache-device-add': {
    readonly words: {
      readonly pool: string
      /** A path of the daemon’s host. */
      readonly device: string
      /** How large its file is made when it is not there. */
      readonly sizeBytes?: number
      readonly overwrite: boolean
    }
    readonly answer: object
  }
  readonly 'cache-device-remove': {
    readonly words: { readonly pool: string; readonly device: string }
    readonly answer: object
  }
  readonly 'cache-accept-loss': {
    readonly words: { readonly pool: string }
    readonly answer: object
  }
  readonly 'cache-detach': { readonly words: { readonly pool: string }; readonly answer: object }
  readonly 'record-start': { readonly words: { readonly volume: string }; readonly answer: object }
  readonly 'record-take': {
    readonly words: { readonly volume: string }
    readonly answer: RecordedPart
  }
  readonly 'record-stop': { readonly words: { readonly volume: string }; readonly answer: object }
}

export interface CacheCallOptions {
  readonly deadlineMs: number
  readonly signal?: AbortSignal
}

/** Calls the daemon that serves the folder `sockets`, about a pool’s caches or a cached device’s.
 *  Errors: PUR_CACHE_UNREACHABLE, PUR_CACHE_ANSWER, PUR_DEADLINE_PASSED, PUR_CANCELLED, and those
 *  of the daemon. */
export async function callCache<Name extends keyof CacheCalls>(
  sockets: string,
  name: Name,
  words: CacheCalls[Name]['words'],
  { deadlineMs, signal }: CacheCallOptions,
): Promise<CacheCalls[Name]['answer']> {
  const path = join(sockets, SOCKET)
  const request = JSON.stringify({ version: VERSION, id: 1, call: name, arguments: words })
  const errors = {
    unreachable: (found: string) => unreachable(path, found),
    badAnswer: () => badAnswer(path),
  }
  const line = await withDeadline(
    `${name} on ${path}`,
    deadlineMs,
    (until) => exchangeLine(path, request, errors, until),
    signal,
  )
  return resultOf(path, line) as CacheCalls[Name]['answer']
}

interface Answer {
  readonly result?: unknown
  readonly error?: { readonly code: string; readonly message: string }
}

function resultOf(path: string, line: string): unknown {
  const { result, error } = parsed(path, line)
  if (error !== undefined) {
    const known = Object.hasOwn(errorCatalogue, error.code)
    const code = known ? (error.code as ErrorCode) : 'PUR_CACHE_REFUSED'
    throw new PurlinError(code, { message: error.message })
  }
  if (typeof result !== 'object' || result === null) throw badAnswer(path)
  return result
}

function parsed(path: string, line: string): Answer {
  try {
    return JSON.parse(line) as Answer
  } catch {
    throw badAnswer(path)
  }
}

function unreachable(path: string, found: string): PurlinError {
  return new PurlinError('PUR_CACHE_UNREACHABLE', {
    message: `no block daemon answers at ${path}: ${found}`,
  })
}

function badAnswer(path: string): PurlinError {
  return new PurlinError('PUR_CACHE_ANSWER', { message: `${path}: that is no answer of a daemon` })
}
