import { readFile } from 'node:fs/promises'
import { availableParallelism, loadavg } from 'node:os'
import { join } from 'node:path'
import { PurlinError, run } from '@purlin/base'
import { buildNative } from '../../native/build.ts'
import type { Progress } from '../../setup/progress.ts'
import { buildLimitWorker, buildOwnWorker, buildPeers, type PeerBuild } from './build.ts'
import type { Column } from './columns.ts'
import { type Goal, judge } from './goals.ts'
import { measureCold, measureHot, type Workers } from './native-rows.ts'
import { measureNode, type NodeFigures } from './node-figures.ts'
import type { EcOptions } from './options.ts'
import type { Row } from './rows.ts'
import { Worker, type WorkerCommand } from './worker.ts'

/** What `./purlin bench ec` found. Rates are 10^9 bytes of data a second of CPU time. */
export interface EcBench {
  readonly machine: {
    readonly processor: string
    readonly core: number
    /** Load averages of 1 minute, before and after: what else ran. */
    readonly load: readonly [before: number, after: number]
  }
  readonly rounds: number
  readonly sliceMs: number
  /** Every kernel there is, and whether this processor has it. */
  readonly kernels: readonly { readonly name: string; readonly available: boolean }[]
  /** Peers that could not be built, with the reason. */
  readonly missing: Readonly<Partial<Record<Column, string>>>
  readonly rows: readonly Row[]
  readonly node: NodeFigures
  readonly goals: readonly Goal[]
  /** Cases in which a side gave wrong bytes. */
  readonly wrong: readonly string[]
}

const FASTEST = 'avx512-gfni'

/** Builds every side, runs all of them by turns on one core, and judges. Errors: PUR_EXEC_FAILED
 *  when Purlin's own worker cannot be built or the core cannot be had. */
export async function benchEc(
  options: EcOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<EcBench> {
  const program = await progress.step('own worker', buildOwnWorker)
  await progress.step('own addon', () => buildNative(['ec-native']))
  const limit = await progress.step('limit worker', buildLimitWorker)
  const builds = await progress.step('peers', async (tell) => {
    const made = await buildPeers(options.peers, tell)
    tell(`${made.filter((build) => 'worker' in build).length} of ${made.length}`)
    return made
  })
  const kernels = await readKernels(program)
  const core = options.core ?? availableParallelism() - 1
  const before = loadavg()[0] ?? 0
  const workers = startWorkers(program, limit, builds, kernels, core)
  try {
    const hot = await measureHot(workers, options, progress, signal)
    const cold = await measureCold(workers, options, progress, signal)
    const ronomon = workers.peers.find(({ name }) => name === 'ronomon')
    const sides = { node: workers.node, kernel: workers.own.purlin, ...(ronomon && { ronomon }) }
    const node = await measureNode(sides, options, progress, signal)
    const rows = [...hot.rows, ...cold.rows]
    const hasGfni = kernels.some(({ name, available }) => name === FASTEST && available)
    return {
      machine: {
        processor: await readProcessor(),
        core,
        load: [before, loadavg()[0] ?? 0],
      },
      rounds: options.rounds,
      sliceMs: options.sliceMs,
      kernels,
      missing: Object.fromEntries(
        builds.flatMap((build) => ('missing' in build ? [[build.column, build.missing]] : [])),
      ),
      rows,
      node: node.figures,
      goals: judge(rows, node.figures, hasGfni),
      wrong: [...hot.wrong, ...cold.wrong, ...node.wrong],
    }
  } finally {
    await Promise.all(workers.all.map((worker) => worker.end()))
  }
}

type AllWorkers = Workers & { readonly node: Worker; readonly all: readonly Worker[] }

function startWorkers(
  program: string,
  limit: WorkerCommand,
  builds: readonly PeerBuild[],
  kernels: EcBench['kernels'],
  core: number,
): AllWorkers {
  const all: Worker[] = []
  const start = (command: WorkerCommand): Worker => {
    const worker = new Worker(command, core)
    all.push(worker)
    return worker
  }
  const own = (name: string, environment: Record<string, string>): Worker =>
    start({ name, command: [program], environment })
  const node = join(import.meta.dirname, 'node-worker.ts')
  const flags = ['--conditions=purlin-source', '--disable-warning=ExperimentalWarning']
  return {
    limit: start(limit),
    peers: builds.flatMap((build) => ('worker' in build ? [start(build.worker)] : [])),
    own: {
      purlin: own('purlin', {}),
      cauchy: own('cauchy', { PURLIN_EC_TECHNIQUE: 'cauchy' }),
      stream: own('stream', { PURLIN_EC_STORE: 'stream' }),
      kernels: kernels
        .filter(({ available }) => available)
        .map(({ name }) => own(name, { PURLIN_EC_KERNEL: name })),
    },
    node: start({ name: 'node', command: [process.execPath, ...flags, node] }),
    all,
  }
}

/** Asks the worker which kernels there are: lines `NAME yes|no`. */
async function readKernels(program: string): Promise<EcBench['kernels']> {
  const { stdout } = await run(program, ['kernels'], { timeoutMs: 10_000 })
  const lines = stdout.trim().split('\n')
  const kernels = lines.map((line) => {
    const [name = '', available] = line.split(' ')
    return { name, available: available === 'yes' }
  })
  if (kernels.length > 1) return kernels
  throw new PurlinError('PUR_EXEC_FAILED', { message: `${program} kernels printed: ${stdout}` })
}

async function readProcessor(): Promise<string> {
  const text = await readFile('/proc/cpuinfo', 'utf8').catch(() => '')
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(text)?.[1]
  const name = field('model name') ?? process.arch
  const model = field('model')
  return model === undefined ? name : `${name}, family ${field('cpu family')} model ${model}`
}
