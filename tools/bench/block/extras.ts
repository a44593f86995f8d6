import { systemClock } from '@purlin/base'
import { control, counters } from './control.ts'
import { measure } from './fio.ts'
import { jobs } from './jobs.ts'
import { MIB, type Server } from './servers.ts'

const SNAPSHOTS = 32
const TIB = 1024 * 1024 * MIB

/** What one figure was to be, and is. */
export interface Extra {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly goal: string
  readonly met: boolean
}

/** Uniform 4 KiB writes of four logs' length: rate against the peer, and bytes written to disks for
 *  each byte of a client. */
export async function sustained(
  purlin: Server,
  peer: Server,
  signal: AbortSignal,
): Promise<readonly Extra[]> {
  await control(purlin, 'pool-checkpoint', { pool: 'p' })
  const before = await counters(purlin)
  const bytes = 4 * before.logBytes
  const own = await measure(jobs.write32, purlin, { bytes }, signal)
  await control(purlin, 'pool-checkpoint', { pool: 'p' })
  const after = await counters(purlin)
  const other = await measure(jobs.write32, peer, { bytes }, signal)
  const ratio = own.iops / other.iops
  const amplification =
    (after.writtenBytes - before.writtenBytes) /
    (after.clientWrittenBytes - before.clientWrittenBytes)
  return [
    extra('sustained 4 KiB writes, 4 logs', ratio, 'times raw', '>= 0.5', ratio >= 0.5),
    extra('write amplification', amplification, 'bytes a byte', '<= 4', amplification <= 4),
  ]
}

/** Snapshots, a clone and its flattening: how long the pool takes to answer; then reads under the
 *  snapshots against reads without. */
export async function snapshots(
  purlin: Server,
  seconds: number,
  signal: AbortSignal,
): Promise<readonly Extra[]> {
  const bare = await measure(jobs.read32, purlin, { seconds }, signal)
  let slowestMs = 0
  for (let number = 0; number < SNAPSHOTS; number++) {
    const call = () => control(purlin, 'snapshot-create', { volume: 'v', name: `s${number}` })
    slowestMs = Math.max(slowestMs, await timeMs(call))
    // Each snapshot holds some blocks of its own.
    await measure(jobs.write32, purlin, { bytes: MIB }, signal)
  }
  const cloneMs = await timeMs(() =>
    control(purlin, 'volume-clone', { snapshot: 's0', name: 'c', linked: true }),
  )
  const flattenMs = await timeMs(() => control(purlin, 'volume-flatten', { name: 'c' }))
  const under = await measure(jobs.read32, purlin, { seconds }, signal)
  const ratio = under.iops / bare.iops
  return [
    extra(`reads under ${SNAPSHOTS} snapshots`, ratio, 'times without', '>= 0.95', ratio >= 0.95),
    extra('snapshot, the slowest', slowestMs, 'ms', '< 10', slowestMs < 10),
    extra('linked clone', cloneMs, 'ms', '< 10', cloneMs < 10),
    extra('flatten', flattenMs, 'ms', '< 10', flattenMs < 10),
  ]
}

/** The engine's memory for a tebibyte stored, from what it has for what is stored now. */
export async function memory(purlin: Server): Promise<Extra> {
  const { memoryBytes, disks } = await counters(purlin)
  const stored = disks.reduce((sum, disk) => sum + disk.usedBytes, 0)
  const value = ((memoryBytes / MIB) * TIB) / Math.max(stored, 1)
  return extra(`memory of ${purlin.name}`, value, 'MiB a TiB', '<= 256', value <= 256)
}

async function timeMs(call: () => Promise<unknown>): Promise<number> {
  const startMs = systemClock.monotonicMs()
  await call()
  return systemClock.monotonicMs() - startMs
}

function extra(name: string, value: number, unit: string, goal: string, met: boolean): Extra {
  return { name, value: Math.round(value * 1000) / 1000, unit, goal, met }
}
