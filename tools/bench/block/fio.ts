import { readFile } from 'node:fs/promises'
import { PurlinError, run } from '@purlin/base'
import { z } from 'zod'
import { type Figures, fioWords, type Job, type Limit } from './jobs.ts'
import { processOf, type Server } from './servers.ts'

const latency = z.object({
  max: z.number(),
  percentile: z.record(z.string(), z.number()).optional(),
})
const side = z.object({ iops: z.number(), total_ios: z.number(), clat_ns: latency })
const output = z.object({
  jobs: z.array(z.object({ error: z.number(), read: side, write: side })).min(1),
})
type Side = z.infer<typeof side>

/** The kernel counts process times in ticks of this length (USER_HZ). */
const TICK_US = 10_000
const SLACK_MS = 10 * 60_000

/** Runs a job against a server. Errors: PUR_EXEC_FAILED, PUR_INVALID when fio says nothing. */
export async function measure(
  job: Job,
  server: Server,
  limit: Limit,
  signal: AbortSignal,
): Promise<Figures> {
  const before = await processorUs(server)
  const words = fioWords(job, server.uri, limit)
  const { stdout } = await run('fio', words, { timeoutMs: SLACK_MS, signal })
  // A process that took over meanwhile began at nothing.
  const used = Math.max((await processorUs(server)) - before, 0)
  return figuresOf(stdout, job, used)
}

/** Reads what fio printed. Pure. Errors: PUR_INVALID when it is no result or one with errors. */
export function figuresOf(text: string, job: Job, usedUs: number): Figures {
  // What libnbd says stands before the JSON.
  const parsed = output.safeParse(JSON.parse(text.slice(text.indexOf('{'))))
  const found = parsed.data?.jobs[0]
  if (found === undefined || found.error !== 0) {
    throw new PurlinError('PUR_INVALID', { message: `fio gave no result of ${job.title}` })
  }
  const measured: Side = job.rw === 'randread' ? found.read : found.write
  const percentile = (name: string): number => (measured.clat_ns.percentile?.[name] ?? 0) / 1000
  return {
    iops: measured.iops,
    p50Us: percentile('50.000000'),
    p99Us: percentile('99.000000'),
    largestUs: measured.clat_ns.max / 1000,
    serverCpuUs: usedUs / Math.max(measured.total_ios, 1),
  }
}

/** The processor time that a server's process has used, in microseconds. Errors: ENOENT when it is
 *  gone. */
export async function processorUs(server: Server): Promise<number> {
  const stat = await readFile(`/proc/${await processOf(server)}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_US
}
