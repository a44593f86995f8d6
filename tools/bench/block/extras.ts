import { systemClock } from '@purlin/base'
import { quantile } from '../quantile.ts'
import { checkpoint, control, counters } from './control.ts'
import { measure } from './fio.ts'
import { jobs } from './jobs.ts'
import { MIB, type Server } from './servers.ts'

const TIB = 1024 * 1024 * MIB
/** How long the default log of a disk of 3 GiB, a quarter of it, has to take writes at depth 32. */
const LOG_SECONDS_MIN = 3
const LOG_BYTES = 768 * MIB
const UPGRADE_PAUSE_MAX_MS = 1000
/** Snapshots, clones and flattenings are timed so often, and answered in so little. */
const ANSWERS = 5
const ANSWER_MAX_MS = 10

/** What one figure was to be, and is. Without a goal it is there to be seen. */
export interface Extra {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly goal?: string
  readonly met?: boolean
}

/** How long the log of a disk of 3 GiB takes 4 KiB writes at depth 32 before all of it is in use,
 *  from a short run that stays inside the log there is. */
export async function logLength(purlin: Server, signal: AbortSignal): Promise<Extra> {
  await checkpoint(purlin)
  const before = await counters(purlin)
  const bytes = Math.floor(before.logBytes / 8)
  const { iops } = await measure(jobs.write32, purlin, { bytes }, signal)
  const after = await counters(purlin)
  const logged = after.writtenBytes - before.writtenBytes
  const seconds = LOG_BYTES / (iops * (logged / (bytes / jobs.write32.blockBytes)))
  const goal = `>= ${LOG_SECONDS_MIN}`
  return extra('log of a 3 GiB disk at depth 32', seconds, 's', goal, seconds >= LOG_SECONDS_MIN)
}

/** Uniform 4 KiB writes of four logs' length: rate against the peer, and bytes written to disks for
 *  each byte of a client. */
export async function sustained(
  purlin: Server,
  peer: Server,
  signal: AbortSignal,
): Promise<readonly Extra[]> {
  await checkpoint(purlin)
  const before = await counters(purlin)
  const bytes = 4 * before.logBytes
  const own = await measure(jobs.write32, purlin, { bytes }, signal)
  await checkpoint(purlin)
  const after = await counters(purlin)
  const other = await measure(jobs.write32, peer, { bytes }, signal)
  const ratio = own.iops / other.iops
  const cpu = own.serverCpuUs / other.serverCpuUs
  const amplification =
    (after.writtenBytes - before.writtenBytes) /
    (after.clientWrittenBytes - before.clientWrittenBytes)
  return [
    seen('sustained 4 KiB writes, own', own.iops, 'a second'),
    seen('sustained 4 KiB writes, raw', other.iops, 'a second'),
    extra('sustained 4 KiB writes, 4 logs', ratio, 'times raw', '>= 0.5', ratio >= 0.5),
    seen('sustained 4 KiB writes, p99', own.p99Us / other.p99Us, 'times raw'),
    seen('sustained 4 KiB writes, server CPU', cpu, 'times raw'),
    extra('write amplification', amplification, 'bytes a byte', '<= 4', amplification <= 4),
  ]
}

/** Makes `count` snapshots of a volume, each with some blocks of its own. */
export async function makeSnapshots(
  purlin: Server,
  count: number,
  signal: AbortSignal,
): Promise<void> {
  for (let number = 0; number < count; number++) {
    await control(purlin, 'snapshot-create', { volume: 'v', name: `s${number}` })
    await measure(jobs.write32, purlin, { bytes: MIB / 4 }, signal)
  }
  await checkpoint(purlin)
}

/** How long the pool takes to answer a snapshot, a clone and its flattening of a volume, medians of
 *  some, and what it still does in the background afterwards. */
export async function answers(
  purlin: Server,
  volume: string,
  size: string,
): Promise<readonly Extra[]> {
  const [snapshots, clones, flattenings]: [number[], number[], number[]] = [[], [], []]
  let [backgroundMs, written] = [0, 0]
  for (let time = 0; time < ANSWERS; time++) {
    const [snapshot, clone] = [`${volume}-at-${time}`, `${volume}-of-${time}`]
    await checkpoint(purlin)
    const before = await counters(purlin)
    const call = async (name: string, words: Readonly<Record<string, unknown>>): Promise<number> =>
      await timeMs(() => control(purlin, name, words))
    snapshots.push(await call('snapshot-create', { volume, name: snapshot }))
    clones.push(await call('volume-clone', { snapshot, name: clone, linked: true }))
    flattenings.push(await call('volume-flatten', { name: clone }))
    backgroundMs += await timeMs(() => checkpoint(purlin))
    written += (await counters(purlin)).writtenBytes - before.writtenBytes
  }
  const answer = (what: string, times: readonly number[]): Extra => {
    const ms = quantile(times, 0.5)
    return extra(`${what} of ${size}`, ms, 'ms', `< ${ANSWER_MAX_MS}`, ms < ANSWER_MAX_MS)
  }
  return [
    answer('snapshot', snapshots),
    answer('linked clone', clones),
    answer('flatten', flattenings),
    seen(`background work of the three on ${size}, time`, backgroundMs / ANSWERS, 'ms'),
    seen(`background work of the three on ${size}, written`, written / ANSWERS / 1024, 'KiB'),
  ]
}

/** The longest that a client waits during a planned upgrade. The pool has been written to. */
export async function upgradePause(
  purlin: Server,
  seconds: number,
  signal: AbortSignal,
): Promise<Extra> {
  const load = measure(jobs.write1, purlin, { seconds: seconds + 3 }, signal)
  await systemClock.sleep(1000, signal)
  await control(purlin, 'upgrade', {})
  const pauseMs = (await load).largestUs / 1000
  const goal = `< ${UPGRADE_PAUSE_MAX_MS}`
  return extra('longest wait in an upgrade', pauseMs, 'ms', goal, pauseMs < UPGRADE_PAUSE_MAX_MS)
}

/** The engine's memory for a tebibyte stored: its tables grow with what is stored, and the index of
 *  the log and the cache of the map up to their bounds. */
export async function memory(purlin: Server, storedBytes: number): Promise<readonly Extra[]> {
  const { memory: found } = await counters(purlin)
  const tables = ((found.spaceBytes + found.referenceBytes) / storedBytes) * TIB
  const value = (tables + found.cacheBytesMax + found.logBytesMax) / MIB
  const name = `memory of ${purlin.name}`
  const now = found.spaceBytes + found.referenceBytes + found.cacheBytes + found.logBytes
  return [
    seen(`${name}, now`, now / MIB, 'MiB'),
    extra(name, value, 'MiB a TiB', '<= 256', value <= 256),
  ]
}

async function timeMs(call: () => Promise<unknown>): Promise<number> {
  const startMs = systemClock.monotonicMs()
  await call()
  return systemClock.monotonicMs() - startMs
}

function extra(name: string, value: number, unit: string, goal: string, met: boolean): Extra {
  return { ...seen(name, value, unit), goal, met }
}

/** A figure without a goal. Pure. */
export function seen(name: string, value: number, unit: string): Extra {
  return { name, value: Math.round(value * 1000) / 1000, unit }
}
