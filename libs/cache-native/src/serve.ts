import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Clock, PurlinError } from '@purlin/base'
import type { CacheMode } from './control.ts'

/** Where the program lies: of a package, or of the repository. */
const PROGRAMS = ['/usr/lib/purlin/bin/purlin-blockd', '../../../target/release/purlin-blockd']
const START_MS = 300_000
const LOOK_MS = 20
const BAD_INPUT = 4

/** A slow device that is to be served with SSDs before it. */
export interface CacheServing {
  /** A file, a device, or `nbd://HOST/EXPORT`, `nbd+unix:///EXPORT?socket=PATH`. */
  readonly origin: string
  /** One, or two that mirror what is dirty. */
  readonly devices: readonly string[]
  /** A DNS label: the name of the volume and of the lock. */
  readonly name: string
  readonly sockets: string
  readonly locks: string
  /** How large a device’s file is made that is not there. */
  readonly sizeMib?: number
  readonly mode?: CacheMode
  readonly dirtyPercent?: number
  /** In writeback what is dirty goes home in the order of the flushes, so that the loss of the only
   *  SSD leaves the origin stale but crash-consistent. */
  readonly ordered?: boolean
  /** Writes over what is on the SSDs. */
  readonly overwrite?: boolean
}

/** A device that is served. */
export interface ServedCache {
  readonly process: number
  /** For clients of NBD. */
  readonly uri: string
  /** Ends when the program does; its exit code. */
  readonly ended: Promise<number>
  /** Asks it to end; everything answered is durable then. */
  stop(): void
}

/** Starts the program and returns once it serves. What it says goes to standard error. `program` is
 *  for tests. Errors: PUR_NATIVE_MISSING without the program, PUR_CACHE_INVALID for bad words,
 *  PUR_CACHE_REFUSED when it ends before it serves. */
export async function serveCache(
  serving: CacheServing,
  clock: Clock,
  program: string = findProgram(),
): Promise<ServedCache> {
  const socket = join(resolve(serving.sockets), `${serving.name}.sock`)
  // A socket that an ended program has left there tells nothing.
  await rm(socket, { force: true })
  const child = spawn(program, serveWords(serving), { stdio: ['ignore', 'inherit', 'inherit'] })
  const ended = new Promise<number>((end) => {
    child.once('error', () => end(1))
    child.once('exit', (code) => end(code ?? 1))
  })
  let code: number | undefined
  void ended.then((found) => {
    code = found
  })
  const limitMs = clock.monotonicMs() + START_MS
  while (!existsSync(socket)) {
    if (code === undefined && clock.monotonicMs() < limitMs) {
      await clock.sleep(LOOK_MS)
      continue
    }
    child.kill()
    throw new PurlinError(code === BAD_INPUT ? 'PUR_CACHE_INVALID' : 'PUR_CACHE_REFUSED', {
      message: `${serving.origin} is not served: what ${program} said stands above`,
    })
  }
  return {
    process: child.pid ?? 0,
    uri: `nbd+unix:///${serving.name}?socket=${encodeURI(socket)}`,
    ended,
    stop: () => void child.kill('SIGTERM'),
  }
}

/** The words of the program. Pure. */
export function serveWords(serving: CacheServing): readonly string[] {
  const { origin, devices, name, sockets, locks } = serving
  const { sizeMib, mode, dirtyPercent, ordered, overwrite } = serving
  return [
    ...['cache-serve', '--origin', origin, '--cache', devices.join(',')],
    ...['--name', name, '--sockets', sockets, '--locks', locks],
    ...(sizeMib === undefined ? [] : ['--size-mib', `${sizeMib}`]),
    ...(mode === undefined ? [] : ['--mode', mode === 'pass-through' ? 'pass' : mode]),
    ...(dirtyPercent === undefined ? [] : ['--dirty-percent', `${dirtyPercent}`]),
    ...(ordered === true ? ['--ordered'] : []),
    ...(overwrite === true ? ['--overwrite'] : []),
  ]
}

function findProgram(): string {
  const paths = PROGRAMS.map((path) =>
    path.startsWith('/') ? path : fileURLToPath(new URL(path, import.meta.url)),
  )
  const found = paths.find((path) => existsSync(path))
  if (found !== undefined) return found
  throw new PurlinError('PUR_NATIVE_MISSING', {
    message: `no block daemon at ${paths.join(' or ')}; install purlin-blockd`,
  })
}
