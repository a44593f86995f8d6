import { PurlinError, run } from '@purlin/base'
import { CACHE_MIB, figuresOf, type Job, jobs, SPAN_MIB } from '../disk/jobs.ts'
import { startBcache } from './bcache.ts'
import { startDmCache, startDmWritecache } from './mapper.ts'
import { type DiskRequests, type MemoryDisk, makeMemoryDisk } from './memory-disk.ts'
import { startOurs } from './ours.ts'
import { deviceWords, type Peer, type PeerName, type PeerParts } from './peer.ts'

/** Room for what caches put before the data. */
const HEAD_MIB = 4
/** What our cache has in memory; its SSD is smaller by that, rounded up. */
const MEMORY_PART = 1 / 32
const FIO_MS = 3_600_000
/** The same hot blocks whatever the seed, so that a second run finds what the first has warmed. */
const CENTRE = 0.5

/** What a comparison wants. */
export interface KernelOptions {
  readonly program: string
  /** Requests before those that count, and as many that do. */
  readonly requests: number
  readonly delayMs: number
  /** What is asked for; the SSD is a quarter of it. */
  readonly spanMib: number
  readonly loads: readonly (keyof typeof kernelLoads)[]
  readonly peers: readonly PeerName[]
}

/** The loads of the emulated disk’s comparison in which a cache can spare its disk requests;
 *  writes through a cache go to the disk, each of them. */
export const kernelLoads = { read: jobs.read, back: jobs.back, mix: jobs.mix } as const

/** One peer under one load. */
export interface KernelRun {
  readonly load: string
  readonly peer: PeerName
  readonly requests: number
  /** Of the clients’ reads; absent where there were none. */
  readonly hitRatio?: number
  /** Requests and bytes of the slow disk while those of the clients came that count. */
  readonly disk: DiskRequests
  /** From the first request, the warm-up’s, until nothing was dirty any more. */
  readonly diskInAll: DiskRequests
  /** Written to the SSD while the requests came that count. */
  readonly ssdWrittenBytes: number
}

/** Runs a load on a peer, on disks of its own. */
export async function measurePeer(
  name: PeerName,
  job: Job,
  { program, requests, delayMs, spanMib }: Omit<KernelOptions, 'loads' | 'peers'>,
): Promise<KernelRun> {
  const slow = await makeMemoryDisk('nullb0', spanMib + HEAD_MIB, delayMs)
  const cacheMib = (spanMib * CACHE_MIB) / SPAN_MIB
  const memoryMib = name === 'purlin' ? Math.ceil(cacheMib * MEMORY_PART) : 0
  const ssd = await makeMemoryDisk('nullb1', cacheMib - memoryMib)
  const peer = await start(name, { slow, ssd, mode: job.mode }, program)
  const first = await slow.requests()
  await load(peer, job, spanMib, requests, 1)
  const [before, hitsBefore] = [await counts(slow, ssd), await peer.readHits()]
  const { reads } = await load(peer, job, spanMib, requests, 2)
  const [after, hitsAfter] = [await counts(slow, ssd), await peer.readHits()]
  await peer.drain()
  const last = await slow.requests()
  await peer.close()
  await ssd.remove()
  await slow.remove()
  const disk = between(before.slow, after.slow)
  const own =
    hitsBefore &&
    hitsAfter &&
    (hitsAfter.hits - hitsBefore.hits) / (hitsAfter.reads - hitsBefore.reads)
  return {
    load: job.title,
    peer: name,
    requests,
    ...(reads > 0 && { hitRatio: own ?? 1 - disk.reads / reads }),
    disk,
    diskInAll: between(first, last),
    ssdWrittenBytes: after.ssd.writtenBytes - before.ssd.writtenBytes,
  }
}

async function start(name: PeerName, parts: PeerParts, program: string): Promise<Peer> {
  switch (name) {
    case 'bare':
      return {
        words: deviceWords(parts.slow.path),
        readHits: async () => undefined,
        drain: async () => undefined,
        close: async () => undefined,
      }
    case 'purlin':
      return await startOurs(parts, program)
    case 'bcache':
      return await startBcache(parts)
    case 'dm-cache':
      return await startDmCache(parts)
    case 'dm-writecache':
      return await startDmWritecache(parts)
  }
}

async function load(
  peer: Peer,
  job: Job,
  spanMib: number,
  requests: number,
  seed: number,
): Promise<{ readonly reads: number }> {
  // With `randrepeat` the blocks would follow from the device’s name, and not from the seed.
  const shape = job.words
    .filter((word) => !word.startsWith('--randrepeat='))
    .map((word) => (word.startsWith('--random_distribution=') ? `${word}:${CENTRE}` : word))
  const words = ['--name=load', '--thread', `--size=${spanMib}m`, ...peer.words, ...shape]
  const bounds = [`--io_size=${requests * 4}k`, '--randrepeat=0', `--randseed=${seed}`]
  const rest = ['--norandommap', '--percentile_list=50:99', '--output-format=json']
  const { stdout } = await run('fio', [...words, ...bounds, ...rest], { timeoutMs: FIO_MS })
  const figures = figuresOf(stdout)
  if (figures.requests === requests) return { reads: figures.reads }
  const message = `fio made ${figures.requests} requests of ${requests}`
  throw new PurlinError('PUR_INVALID', { message })
}

async function counts(slow: MemoryDisk, ssd: MemoryDisk) {
  return { slow: await slow.requests(), ssd: await ssd.requests() }
}

function between(before: DiskRequests, after: DiskRequests): DiskRequests {
  return {
    reads: after.reads - before.reads,
    writes: after.writes - before.writes,
    readBytes: after.readBytes - before.readBytes,
    writtenBytes: after.writtenBytes - before.writtenBytes,
  }
}
