import { type Comparison, compare, type Finding } from './compare.ts'
import { checkpoint, control } from './control.ts'
import {
  answers,
  type Extra,
  logLength,
  makeSnapshots,
  memory,
  sustained,
  upgradePause,
} from './extras.ts'
import { jobs } from './jobs.ts'
import { recoveryShares } from './recovery.ts'
import type { BlockFindings } from './report.ts'
import { fill, MIB, otherVolume, type Server, startPurlin, startQemu } from './servers.ts'
import { type PoolShape, shapesOf } from './shapes.ts'
import { vhostRows } from './vhost.ts'

const SNAPSHOTS = 32
const LARGE_BYTES = 1024 * 1024 * MIB

/** How a run is done. */
export interface RunOptions {
  readonly program: string
  readonly rounds: number
  readonly seconds: number
  readonly quick: boolean
}

/** The servers of a run, and what was found out about them so far. */
interface Bench extends RunOptions {
  readonly folder: string
  readonly signal: AbortSignal
  readonly note: (what: string) => void
  readonly volumeMiB: number
  readonly raw: Server
  readonly qcow2: Server
  readonly findings: Finding[]
  readonly extras: Extra[]
}

/** Measures every row of the goals, a pool after the other, beside both peers. Errors: those of
 *  the programs; every server is stopped then. */
export async function measureAll(
  folder: string,
  options: RunOptions,
  note: (what: string) => void,
  signal: AbortSignal,
): Promise<BlockFindings> {
  const shapes = shapesOf(options.quick)
  const peers: Server[] = []
  const begin = async (name: 'raw' | 'qcow2'): Promise<Server> => {
    note(`filling ${name}`)
    const server = await startQemu(folder, name, shapes.volumeMiB)
    peers.push(server)
    await fill(server, signal)
    return server
  }
  try {
    const [raw, qcow2] = [await begin('raw'), await begin('qcow2')]
    const { volumeMiB } = shapes
    const servers = { raw, qcow2, volumeMiB }
    const bench: Bench = { ...options, folder, signal, note, ...servers, findings: [], extras: [] }
    await withPool(bench, shapes.one, async (pool) => await measureOne(bench, pool))
    await withPool(bench, shapes.two, async (pool) => {
      const goal = { iopsRatioMin: 1 }
      await measureLoad(bench, { ...load(jobs.write32, pool, qcow2), goal })
    })
    await withPool(bench, shapes.coded, async (pool) => {
      await measureLoad(bench, { ...load(jobs.write32, pool, qcow2), goal: { iopsRatioMin: 0.7 } })
      await measureLoad(bench, { ...load(jobs.sequential, pool, raw), goal: { iopsRatioMin: 0.6 } })
    })
    await withPool(bench, shapes.history, async (pool) => await measureHistory(bench, pool))
    note('recovery')
    const { program, rounds, seconds, quick } = options
    bench.extras.push(...(await recoveryShares(program, folder, quick, signal)))
    return { rounds, seconds, quick, findings: bench.findings, extras: bench.extras }
  } finally {
    await Promise.all(peers.map((server) => server.stop()))
  }
}

/** Measures the rows of recovery alone. Errors: as of `measureAll`. */
export async function measureRecovery(
  folder: string,
  { program, rounds, seconds, quick }: RunOptions,
  signal: AbortSignal,
): Promise<BlockFindings> {
  const extras = await recoveryShares(program, folder, quick, signal)
  return { rounds, seconds, quick, findings: [], extras }
}

/** One disk, one copy: every load against raw, the log, what it costs to write for long, and an
 *  upgrade at the end, after which the daemon is another process. */
async function measureOne(bench: Bench, pool: Server): Promise<void> {
  const { raw, seconds, signal, extras } = bench
  const goal = { iopsRatioMin: 1.2, p99RatioMax: 1, cpuRatioMax: 0.6 }
  for (const job of [jobs.read1, jobs.read32, jobs.write1, jobs.write32]) {
    await measureLoad(bench, { ...load(job, pool, raw), goal })
  }
  bench.note('by vhost-user')
  const { rounds, volumeMiB } = bench
  extras.push(...(await vhostRows(pool, raw, { rounds, seconds, volumeMiB }, signal)))
  bench.note('log')
  extras.push(await logLength(pool, signal))
  bench.note('sustained writes')
  extras.push(...(await sustained(pool, raw, signal)))
  bench.note('upgrade')
  extras.push(await upgradePause(pool, seconds, signal))
}

/** Reads under snapshots beside reads of a volume that has none, in one pool; how soon snapshots,
 *  clones and flattening are answered, of a filled volume and of one of a tebibyte. */
async function measureHistory(bench: Bench, pool: Server): Promise<void> {
  const { signal, extras } = bench
  bench.note('snapshots')
  await makeSnapshots(pool, SNAPSHOTS, signal)
  const under = { ...pool, name: `${SNAPSHOTS} snapshots` }
  const bare = otherVolume(pool, 'bare')
  await measureLoad(bench, { ...load(jobs.read32, under, bare), goal: { iopsRatioMin: 0.95 } })
  extras.push(...(await answers(pool, 'v', 'a filled volume')))
  await control(pool, 'volume-create', { pool: 'p', name: 'large', sizeBytes: LARGE_BYTES })
  extras.push(...(await answers(pool, 'large', 'a volume of 1 TiB')))
}

function load(
  job: Comparison['job'],
  purlin: Server,
  peer: Server,
): Pick<Comparison, 'title' | 'job' | 'purlin' | 'peer' | 'prepare'> {
  // Bursts begin with an empty log.
  return { title: job.title, job, purlin, peer, prepare: () => checkpoint(purlin) }
}

async function measureLoad(bench: Bench, comparison: Comparison): Promise<void> {
  const { rounds, seconds, signal } = bench
  bench.note(`${comparison.purlin.name}: ${comparison.title}`)
  bench.findings.push(await compare(comparison, rounds, { seconds }, signal))
}

/** Starts a pool and fills its volumes; states its memory at the end and stops it. */
async function withPool(
  bench: Bench,
  shape: PoolShape,
  work: (pool: Server) => Promise<void>,
): Promise<void> {
  bench.note(`filling ${shape.name}`)
  const pool = await startPurlin(bench.program, bench.folder, shape)
  try {
    for (const { name } of shape.volumes) await fill(otherVolume(pool, name), bench.signal)
    await work(pool)
    await checkpoint(pool)
    const storedMiB = shape.volumes.reduce((sum, { sizeMiB }) => sum + sizeMiB, 0)
    bench.extras.push(...(await memory(pool, storedMiB * MIB)))
  } finally {
    await pool.stop()
  }
}
