/** One kind of load, as fio is told it. */
export interface Job {
  readonly name: string
  readonly title: string
  readonly rw: 'randread' | 'randwrite' | 'write'
  readonly blockBytes: number
  readonly depth: number
}

const KIB = 1024

function random(rw: 'randread' | 'randwrite', depth: number): Job {
  const word = rw === 'randread' ? 'read' : 'write'
  const title = `4 KiB random ${word}, depth ${depth}`
  return { name: `${word}${depth}`, title, rw, blockBytes: 4 * KIB, depth }
}

/** Every load the goals speak of. */
export const jobs = {
  read1: random('randread', 1),
  read32: random('randread', 32),
  write1: random('randwrite', 1),
  write32: random('randwrite', 32),
  sequential: {
    name: 'sequential',
    title: '64 KiB sequential write, depth 8',
    rw: 'write',
    blockBytes: 64 * KIB,
    depth: 8,
  },
} as const satisfies Readonly<Record<string, Job>>

/** What a run gives: of the client its rate, latencies and length, of the server its processor
 *  time. */
export interface Figures {
  readonly iops: number
  readonly p50Us: number
  readonly p99Us: number
  readonly largestUs: number
  readonly serverCpuUs: number
}

/** What ends a run: time, or bytes moved. */
export type Limit = { readonly seconds: number } | { readonly bytes: number }

/** fio's words for a job against an NBD server. Pure. */
export function fioWords(job: Job, uri: string, limit: Limit): readonly string[] {
  const end =
    'seconds' in limit
      ? ['--time_based', `--runtime=${limit.seconds}`]
      : [`--io_size=${limit.bytes}`]
  return [
    `--name=${job.name}`,
    '--ioengine=nbd',
    `--uri=${uri}`,
    '--thread',
    `--rw=${job.rw}`,
    `--bs=${job.blockBytes}`,
    `--iodepth=${job.depth}`,
    // Uniform: a block may come again before all others did.
    '--norandommap',
    '--randrepeat=0',
    '--percentile_list=50:99',
    '--output-format=json',
    ...end,
  ]
}
