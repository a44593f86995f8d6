import { join } from 'node:path'
import { PurlinError, run } from '@purlin/base'
import { z } from 'zod'
import { repository } from '../../repository.ts'
import { judge } from './compare.ts'
import { checkpoint } from './control.ts'
import { type Extra, seen } from './extras.ts'
import { processorUs } from './fio.ts'
import { type Figures, type Job, jobs } from './jobs.ts'
import { MIB, type Server } from './servers.ts'

/** The driver that loads disks by vhost-user, as cargo builds it. */
const FRONT_END = join(repository, 'target/release/front-end')
const SLACK_MS = 60_000

const output = z.object({
  requests: z.number(),
  tookNs: z.number(),
  p50Ns: z.number(),
  p99Ns: z.number(),
  largestNs: z.number(),
})

/** How long and how far loads go. */
export interface VhostLimits {
  readonly rounds: number
  readonly seconds: number
  readonly volumeMiB: number
}

/** The loads of one disk by vhost-user, which has no goals: the daemon beside qemu-storage-daemon's
 *  own export of that kind, both loaded by the same driver. Errors: PUR_EXEC_FAILED, PUR_INVALID
 *  when the driver says nothing. */
export async function vhostRows(
  purlin: Server,
  peer: Server,
  limits: VhostLimits,
  signal: AbortSignal,
): Promise<readonly Extra[]> {
  const extras: Extra[] = []
  for (const job of [jobs.read1, jobs.read32, jobs.write1, jobs.write32]) {
    const [own, other]: [Figures[], Figures[]] = [[], []]
    for (let round = 0; round < limits.rounds; round++) {
      for (const side of round % 2 === 0 ? [purlin, peer] : [peer, purlin]) {
        if (side === purlin) await checkpoint(purlin)
        const figures = await measureByVhost(job, side, limits, signal)
        ;(side === purlin ? own : other).push(figures)
      }
    }
    extras.push(...rowsOf(job, own, other, peer.name))
  }
  return extras
}

/** A load's rounds as figures to be seen. Pure. */
export function rowsOf(
  { title }: Job,
  own: readonly Figures[],
  other: readonly Figures[],
  peer: string,
): readonly Extra[] {
  const found = judge(own, other, { iopsRatioMin: 0 })
  const name = `by vhost-user, ${title}`
  return [
    seen(`${name}: IOPS`, found.own.iops, 'a second'),
    seen(`${name}: IOPS`, found.iopsRatio, `times ${peer}`),
    seen(`${name}: p50`, found.own.p50Us, `us, ${peer} ${Math.round(found.other.p50Us)}`),
    seen(`${name}: p99`, found.p99Ratio, `times ${peer}`),
    seen(`${name}: server CPU a request`, found.own.serverCpuUs, 'us'),
    seen(`${name}: server CPU a request`, found.cpuRatio, `times ${peer}`),
  ]
}

async function measureByVhost(
  job: Job,
  server: Server,
  { seconds, volumeMiB }: VhostLimits,
  signal: AbortSignal,
): Promise<Figures> {
  const before = await processorUs(server)
  const kind = job.rw === 'randread' ? 'read' : 'write'
  const sizes = [job.blockBytes, job.depth, volumeMiB * MIB, seconds].map(String)
  const { stdout } = await run(FRONT_END, [server.vhostSocket, kind, ...sizes], {
    timeoutMs: seconds * 1000 + SLACK_MS,
    signal,
  })
  return vhostFigures(stdout, (await processorUs(server)) - before)
}

/** Reads what the driver printed. Pure. Errors: PUR_INVALID when it is no result. */
export function vhostFigures(text: string, usedUs: number): Figures {
  const parsed = output.safeParse(JSON.parse(text))
  if (!parsed.success) {
    throw new PurlinError('PUR_INVALID', {
      message: `the vhost-user driver gave no result: ${text}`,
    })
  }
  const { requests, tookNs, p50Ns, p99Ns, largestNs } = parsed.data
  return {
    iops: (requests * 1e9) / tookNs,
    p50Us: p50Ns / 1000,
    p99Us: p99Ns / 1000,
    largestUs: largestNs / 1000,
    serverCpuUs: usedUs / Math.max(requests, 1),
  }
}
