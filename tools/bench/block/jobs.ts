/** One kind of load, as fio is told it. */
export interface Job {
  readonly name: string
  readonly title: string
  readonly rw: 'randread' | 'randwrite' | 'write'
  readonly blockBytes: number
  readonly depth: number
}

const KIB = 1024

/** Every load the goals speak of. */
export const jobs = {
  read1: {
    name: 'read1',
    title: '4 KiB random read, depth 1',
    rw: 'randread',
    blockBytes: 4 * KIB,
    depth: 1,
  },
  read32: {
    name: 'read32',
    title: '4 KiB random read, depth 32',
    rw: 'randread',
    blockBytes: 4 * KIB,
    depth: 32,
  },
  write1: {
    name: 'write1',
    title: '4 KiB random write, depth 1',
    rw: 'randwrite',
    blockBytes: 4 * KIB,
    depth: 1,
  },
  write32: {
    name: 'write32',
    title: '4 KiB random write, depth 32',
    rw: 'randwrite',
    blockBytes: 4 * KIB,
    depth: 32,
  },
  sequential: {
    name: 'sequential',
    title: '64 KiB sequential write, depth 8',
    rw: 'write',
    blockBytes: 64 * KIB,
    depth: 8,
  },
} as const satisfies Readonly<Record<string, Job>>

/** What a run gives: of the client its rate and latencies, of the server its processor time. */
export interface Figures {
  readonly iops: number
  readonly p50Us: number
  readonly p99Us: number
  readonly serverCpuUs: number
}

/** fio's words for a job against an NBD server. Shape: `limit` ends the run by time or by bytes
 *  written. Pure. */
export function fioWords(
  job: Job,
  uri: string,
  limit: { readonly seconds: number } | { readonly bytes: number },
): readonly string[] {
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
    '--randrepeat=0',
    '--percentile_list=50:99',
    '--output-format=json',
    ...end,
  ]
}
