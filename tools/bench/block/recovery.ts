import { PurlinError, systemClock } from '@purlin/base'
import { z } from 'zod'
import { checkpoint, control } from './control.ts'
import type { Extra } from './extras.ts'
import { measure } from './fio.ts'
import type { Job } from './jobs.ts'
import { fill, MIB, type Server, startPurlin } from './servers.ts'
import type { PoolShape } from './shapes.ts'

/** Clients that want all of the disks: many requests as large as a chunk. */
const CLIENTS: readonly (Job & { readonly asks: string })[] = (
  [
    ['reads', 'randread'],
    ['writes', 'randwrite'],
  ] as const
).map(([asks, rw]) => ({
  ...{ name: 'client', title: `64 KiB random ${asks}, depth 64`, asks, rw },
  ...{ blockBytes: 64 * 1024, depth: 64 },
}))
const SPEEDS = [
  { speed: 'low', percent: 10, tolerance: 5 },
  { speed: 'medium', percent: 50, tolerance: 7 },
  { speed: 'high', percent: 67, tolerance: 7 },
] as const
const LOST = 'd1'
const SPREAD_MAX = 1.3
/** For a change of the speed to reach what is under way. */
const SETTLE_MS = 300
const SAMPLE_MS = 20
/** A rebuild that has moved nothing for so long is over. */
const REST_MS = 2000
const WINDOW_MAX_MS = 20_000
const CLIENT_SECONDS = 120
/** So much a client has moved that is under way. */
const CLIENT_BEGUN_BYTES = 64 * MIB

const moved = z.object({ client: z.number(), recovery: z.number() })
const status = z.object({
  pools: z.tuple([
    z.object({
      reactor: z.object({ movedBytes: z.record(z.string(), moved) }),
      engine: z.object({ disks: z.array(z.object({ name: z.string(), movedBytes: z.number() })) }),
    }),
  ]),
})
type Bytes = z.infer<typeof moved>

/** The pool of the rows: two copies on four disks, of which one is lost. Pure. */
export function recoveryShape(quick: boolean, asks: string): PoolShape {
  const sizeMiB = quick ? 512 : 2048
  const shape = { name: `recovery-${asks}`, redundancy: '{ replicas: 2 }', disks: 4 }
  return { ...shape, diskMiB: 2 * sizeMiB, volumes: [{ name: 'v', sizeMiB }] }
}

/** Recovery's share of the bytes at each speed while it and clients both want all of the disks, as
 *  the daemon counts them where they enter the disks that are left, and how evenly those take part.
 *  Errors: PUR_INVALID when there was too little to rebuild for the figures. */
export async function recoveryShares(
  program: string,
  folder: string,
  quick: boolean,
  signal: AbortSignal,
): Promise<readonly Extra[]> {
  const extras: Extra[] = []
  for (const client of CLIENTS) {
    extras.push(...(await sharesBeside(client, program, folder, quick, signal)))
  }
  return extras
}

async function sharesBeside(
  client: (typeof CLIENTS)[number],
  program: string,
  folder: string,
  quick: boolean,
  signal: AbortSignal,
): Promise<readonly Extra[]> {
  const { asks } = client
  const shape = recoveryShape(quick, asks)
  const pool = await startPurlin(program, folder, shape)
  const end = new AbortController()
  try {
    await fill(pool, signal)
    await checkpoint(pool)
    const both = AbortSignal.any([signal, end.signal])
    const load = measure(client, pool, { seconds: CLIENT_SECONDS }, both)
    // It is ended, and says so.
    load.catch(() => undefined)
    await control(pool, 'pool-recovery-speed', { pool: 'p', speed: 'low' })
    const idle = await bytes(pool)
    while ((await bytes(pool)).client - idle.client < CLIENT_BEGUN_BYTES) {
      await systemClock.sleep(SAMPLE_MS, signal)
    }
    await control(pool, 'disk-maintenance', { pool: 'p', disk: LOST, on: true })
    await control(pool, 'disk-forget', { pool: 'p', disk: LOST })
    // What was lost is read once and written once; each speed is given a fifth of that.
    const windowBytes = ((shape.volumes[0]?.sizeMiB ?? 0) * MIB) / 5
    const extras: Extra[] = []
    for (const goal of SPEEDS) extras.push(await share(pool, asks, goal, windowBytes))
    return [...extras, await spread(pool, asks)]
  } finally {
    end.abort()
    await pool.stop()
  }
}

async function share(
  pool: Server,
  asks: string,
  { speed, percent, tolerance }: (typeof SPEEDS)[number],
  windowBytes: number,
): Promise<Extra> {
  await control(pool, 'pool-recovery-speed', { pool: 'p', speed })
  await systemClock.sleep(SETTLE_MS)
  const before = await bytes(pool)
  const deadlineMs = systemClock.monotonicMs() + WINDOW_MAX_MS
  let after = before
  let movedMs = systemClock.monotonicMs()
  while (after.recovery - before.recovery < windowBytes && systemClock.monotonicMs() < deadlineMs) {
    await systemClock.sleep(SAMPLE_MS)
    const now = await bytes(pool)
    if (now.recovery > after.recovery) {
      after = now
      movedMs = systemClock.monotonicMs()
    }
    // A rebuild that is over would count as one that gives way.
    if (systemClock.monotonicMs() - movedMs > REST_MS) break
  }
  const recovery = after.recovery - before.recovery
  const client = after.client - before.client
  if (recovery === 0 || client === 0) {
    const message = `at recovery speed ${speed} there was nothing left to rebuild or no client`
    throw new PurlinError('PUR_INVALID', { message })
  }
  const value = Math.round((1000 * recovery) / (recovery + client)) / 10
  return {
    name: `recovery’s share at speed ${speed}, beside ${asks}`,
    value,
    unit: '% of the bytes',
    goal: `${percent} ± ${tolerance}`,
    met: Math.abs(value - percent) <= tolerance,
  }
}

/** What entered the disks that are left, by class. */
async function bytes(pool: Server): Promise<Bytes> {
  const [{ reactor }] = status.parse(await control(pool, 'status')).pools
  const left = Object.entries(reactor.movedBytes).filter(([disk]) => disk !== LOST)
  const sum = (of: (moved: Bytes) => number): number =>
    left.reduce((all, [, each]) => all + of(each), 0)
  return { client: sum(({ client }) => client), recovery: sum(({ recovery }) => recovery) }
}

async function spread(pool: Server, asks: string): Promise<Extra> {
  const [{ engine }] = status.parse(await control(pool, 'status')).pools
  const each = engine.disks.filter(({ name }) => name !== LOST).map((disk) => disk.movedBytes)
  const mean = each.reduce((sum, one) => sum + one, 0) / each.length
  const value = Math.round((1000 * Math.max(...each)) / mean) / 1000
  const goal = `<= ${SPREAD_MAX}`
  const name = `busiest disk of the rebuild over the mean, beside ${asks}`
  return { name, value, unit: 'times', goal, met: value <= SPREAD_MAX }
}
