import { PurlinError } from '@purlin/base'
import { z } from 'zod'

/** What the cache is to speed up. */
export const SPAN_MIB = 256
/** SSD and memory together: the cache’s file has this less what it keeps in memory. */
export const CACHE_MIB = 64
const DEPTH = 8

/** A load on a served device. */
export interface Job {
  readonly name: string
  readonly title: string
  readonly mode: 'writethrough' | 'writeback'
  readonly words: readonly string[]
  /** The cache is full of dirty pages when the load begins. */
  readonly full?: true
}

const ZIPF = ['--bs=4k', '--random_distribution=zipf:1.1', `--iodepth=${DEPTH}`, '--randrepeat=1']

/** The loads of the goals. */
export const jobs = {
  read: {
    name: 'read',
    title: 'reads, writethrough',
    mode: 'writethrough',
    words: ['--rw=randread', ...ZIPF],
  },
  through: {
    name: 'through',
    title: 'writes, writethrough',
    mode: 'writethrough',
    words: ['--rw=randwrite', ...ZIPF],
  },
  back: {
    name: 'back',
    title: 'writes, writeback',
    mode: 'writeback',
    words: ['--rw=randwrite', ...ZIPF],
  },
  mix: {
    name: 'mix',
    title: '70/30 mix, writeback',
    mode: 'writeback',
    words: ['--rw=randrw', '--rwmixread=70', ...ZIPF],
  },
  full: {
    name: 'full',
    title: 'sequential 64 KiB writes, full of dirty',
    mode: 'writeback',
    words: ['--rw=write', '--bs=64k', '--iodepth=1'],
    full: true,
  },
  /** At depth 1 whoever stands before a disk adds its own time to every request; here it is the
   *  disk's bandwidth alone. */
  fullDeep: {
    name: 'fullDeep',
    title: `the same at depth ${DEPTH}`,
    mode: 'writeback',
    words: ['--rw=write', '--bs=64k', `--iodepth=${DEPTH}`],
    full: true,
  },
} as const satisfies Readonly<Record<string, Job>>

/** What one run gave. */
export interface Figures {
  readonly iops: number
  readonly p50Ms: number
  /** The worse of reads and writes. */
  readonly p99Ms: number
  readonly requests: number
  /** How many of them read. */
  readonly reads: number
}

const side = z.object({
  iops: z.number(),
  total_ios: z.number(),
  clat_ns: z.object({ percentile: z.record(z.string(), z.number()).optional() }),
})
const output = z.object({
  jobs: z.array(z.object({ error: z.number(), read: side, write: side })).min(1),
})

/** fio’s words for a load of `seconds`, after a time that is not counted. Pure. */
export function fioWords(
  words: readonly string[],
  uri: string,
  seconds: number,
  warmUpSeconds: number,
): readonly string[] {
  return [
    ...['--name=load', '--ioengine=nbd', `--uri=${uri}`, '--thread', `--size=${SPAN_MIB}m`],
    ...words,
    ...['--time_based', `--runtime=${seconds}`, `--ramp_time=${warmUpSeconds}`],
    ...['--percentile_list=50:99', '--output-format=json', '--norandommap'],
  ]
}

/** Reads what fio printed. Pure. Errors: PUR_INVALID. */
export function figuresOf(text: string): Figures {
  // What libnbd says stands before the JSON.
  const parsed = output.safeParse(JSON.parse(text.slice(text.indexOf('{'))))
  const found = parsed.data?.jobs[0]
  if (found === undefined || found.error !== 0) {
    throw new PurlinError('PUR_INVALID', { message: 'fio gave no result' })
  }
  const both = [found.read, found.write].filter((each) => each.total_ios > 0)
  const worst = (name: string): number =>
    Math.max(0, ...both.map(({ clat_ns }) => (clat_ns.percentile?.[name] ?? 0) / 1e6))
  return {
    iops: both.reduce((sum, { iops }) => sum + iops, 0),
    p50Ms: worst('50.000000'),
    p99Ms: worst('99.000000'),
    requests: both.reduce((sum, { total_ios }) => sum + total_ios, 0),
    reads: found.read.total_ios,
  }
}
