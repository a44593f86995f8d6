import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError, run, systemClock } from '@purlin/base'
import { callCache, serveWords } from '@purlin/cache-native'
import { CACHE_MIB, fioWords, type Job, SPAN_MIB } from './jobs.ts'

const START_MS = 30_000
const CALL_MS = 60_000
const FILL_MS = 600_000
/** What policy, entries and their queue have in memory for a cache of this size. */
const MEMORY_MIB = 2
const FULL_OF_SLOTS = 0.6

/** A device that is measured: the emulated disk bare, or with a cache before it. */
export interface Side {
  readonly name: 'bare' | 'purlin' | 'nbdkit'
  readonly uri: string
  /** Its own process, without that of the disk. */
  readonly process: number | undefined
  /** Requests that the disk has seen, where the side counts them. */
  diskRequests(): Promise<number | undefined>
  stop(): Promise<void>
}

/** Starts a fresh disk, one request at a time of `delayMs` each, and what stands before it. */
export async function startSide(
  name: Side['name'],
  folder: string,
  job: Job,
  delayMs: number,
  program: string,
): Promise<Side> {
  await mkdir(folder, { recursive: true })
  const disk = join(folder, 'disk.sock')
  const delays = [`rdelay=${delayMs}ms`, `wdelay=${delayMs}ms`]
  const server = await nbdkit(
    disk,
    ['--filter=noparallel', '--filter=delay', 'memory'],
    [`${SPAN_MIB}M`, ...delays, 'serialize=all-requests'],
  )
  const origin = `nbd+unix:///?socket=${disk}`
  if (name === 'bare') {
    return {
      name,
      uri: origin,
      process: undefined,
      diskRequests: async () => undefined,
      stop: () => end(server),
    }
  }
  const [sockets, socket] = [join(folder, 's'), join(folder, 'cache.sock')]
  const before =
    name === 'nbdkit'
      ? await nbdkit(
          socket,
          ['--filter=cache', 'nbd'],
          [
            `uri=${origin}`,
            `cache=${job.mode}`,
            `cache-max-size=${CACHE_MIB}M`,
            'cache-on-read=true',
          ],
        )
      : await started(
          spawn(
            program,
            serveWords({
              origin,
              devices: [join(folder, 'ssd.img')],
              name: 'v',
              sockets,
              locks: join(folder, 'locks'),
              sizeMib: CACHE_MIB - MEMORY_MIB,
              mode: job.mode,
            }),
            { stdio: ['ignore', 2, 2] },
          ),
          join(sockets, 'v.sock'),
        )
  const place = name === 'purlin' ? `v?socket=${join(sockets, 'v.sock')}` : `?socket=${socket}`
  const uri = `nbd+unix:///${place}`
  const made: Side = {
    name,
    uri,
    process: before.pid,
    diskRequests: async () => {
      if (name === 'nbdkit') return undefined
      const { layers } = await statusOf(sockets)
      return layers.reduce((sum, layer) => sum + layer.originReads + layer.originWrites, 0)
    },
    stop: async () => {
      // What is dirty need not come home: the disk is thrown away.
      await end(before, 'SIGKILL')
      await end(server)
    },
  }
  if (job.full) await fillWithDirty(made, sockets)
  return made
}

/** Writes scattered blocks until the most that may be dirty is. nbdkit tells nothing, so it gets as
 *  many as fill its cache. */
async function fillWithDirty(side: Side, sockets: string): Promise<void> {
  const limitMs = systemClock.monotonicMs() + FILL_MS
  for (;;) {
    const words = fioWords(['--rw=randwrite', '--bs=4k', '--iodepth=32'], side.uri, 3, 0)
    await run('fio', words, { timeoutMs: FILL_MS })
    if (side.name === 'nbdkit' || systemClock.monotonicMs() > limitMs) return
    const [layer] = (await statusOf(sockets)).layers
    if (layer !== undefined && layer.dirtyBytes >= FULL_OF_SLOTS * layer.sizeBytes) return
  }
}

async function statusOf(sockets: string) {
  return await callCache(sockets, 'cache-status', { pool: 'v' }, { deadlineMs: CALL_MS })
}

async function nbdkit(
  socket: string,
  words: readonly string[],
  parameters: readonly string[],
): Promise<ChildProcess> {
  const base = ['--foreground', '--unix', socket, '--threads', '16']
  const child = spawn('nbdkit', [...base, ...words, ...parameters], { stdio: ['ignore', 2, 2] })
  return await started(child, socket)
}

async function started(child: ChildProcess, socket: string): Promise<ChildProcess> {
  const limitMs = systemClock.monotonicMs() + START_MS
  while (!existsSync(socket)) {
    if (child.exitCode !== null || systemClock.monotonicMs() > limitMs) {
      child.kill('SIGKILL')
      throw new PurlinError('PUR_DEADLINE_PASSED', { message: `nobody serves ${socket}` })
    }
    await systemClock.sleep(20)
  }
  return child
}

async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  await ended
}
