import { mkdtemp, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { PurlinError, toPurlinError } from '@purlin/base'
import { buildNative } from '../../native/build.ts'
import { cacheFolder, repository } from '../../repository.ts'
import { Progress } from '../../setup/progress.ts'
import { setUpPackages } from '../../setup/set-up.ts'
import { compareDisks, type DiskFinding, type DiskOptions } from './disk/compare.ts'
import { diskLines } from './disk/report.ts'
import { type Judgement, judge, type TraceRows } from './judgement.ts'
import { reportLines } from './report.ts'

const USAGE =
  'usage: ./purlin bench cache [policy|disk] [-o table|json] [--seeds 11,12] [--lis FILE]... ' +
  '[--rounds N] [--seconds N] [--delays 1,8] [--folder FOLDER] [--program FILE] [--yes]'
/** The daemon as a clone’s set-up builds it. */
const PROGRAM = join(repository, 'target/release/purlin-blockd')
const PERCENTS = [5, 10, 20]
const REQUESTS = 250_000
/** Seeds that the policy was not tuned on. */
const SEEDS = '31,32'

interface Words {
  readonly part: 'policy' | 'disk' | 'both'
  readonly output: string
  readonly seeds: readonly number[]
  readonly files: readonly string[]
  readonly disk: DiskOptions
  readonly yes: boolean
}

/** `./purlin bench cache`: the cache's policy beside the others, over made traces of every kind and
 *  over the files that are given; then the served cache over an emulated disk, beside the bare disk
 *  and nbdkit's cache. A missed goal is a figure and no error. */
export async function runCacheBench(
  words: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const read = readWords(words)
  const progress = new Progress()
  const policy = read.part === 'disk' ? undefined : await comparePolicies(read, progress, signal)
  const disk = read.part === 'policy' ? undefined : await compareServed(read, progress, signal)
  const text =
    read.output === 'json'
      ? JSON.stringify({ ...policy, ...(disk && { disk }) }, null, 2)
      : [...(policy ? reportLines(policy) : []), ...(disk ? diskLines(disk) : [])].join('\n')
  process.stdout.write(`${text}\n`)
  return 0
}

async function comparePolicies(
  { seeds, files }: Words,
  progress: Progress,
  signal: AbortSignal,
): Promise<Judgement> {
  const { madeTraceKinds, simulateMadeTrace, simulateTrace } = await import('@purlin/cache-native')
  const options = { percents: PERCENTS, signal }
  const traces: TraceRows[] = []
  for (const seed of seeds) {
    for (const kind of madeTraceKinds()) {
      progress.note(`${kind} ${seed}`)
      const found = await simulateMadeTrace({ kind, seed, requests: REQUESTS }, options)
      traces.push({ trace: `${kind} ${seed}`, ...found })
    }
  }
  for (const file of files) {
    progress.note(file)
    traces.push({ trace: basename(file), ...(await simulateTrace(file, 'lis', options)) })
  }
  return judge(traces)
}

async function compareServed(
  { disk, yes }: Words,
  progress: Progress,
  signal: AbortSignal,
): Promise<readonly DiskFinding[]> {
  await setUpPackages({ yes, sets: ['build', 'reference'], progress })
  if (disk.program === PROGRAM) {
    await progress.step('purlin-blockd built', () => buildNative(['blockd']))
  }
  const folder = await mkdtemp(join(disk.folder, 'purlin-bench-cache-'))
  try {
    return await compareDisks({ ...disk, folder }, (what) => progress.note(what), signal)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function readWords(words: readonly string[]): Words {
  try {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        output: { type: 'string', short: 'o', default: 'table' },
        seeds: { type: 'string', default: SEEDS },
        lis: { type: 'string', multiple: true, default: [] },
        rounds: { type: 'string', default: '2' },
        seconds: { type: 'string', default: '15' },
        delays: { type: 'string', default: '1,8' },
        folder: { type: 'string', default: cacheFolder },
        program: { type: 'string', default: PROGRAM },
        yes: { type: 'boolean', short: 'y', default: false },
      },
    })
    const seeds = values.seeds.split(',').map(Number)
    const delaysMs = values.delays.split(',').map(Number)
    const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)]
    const { output, folder, program, yes } = values
    const [part = 'both', ...more] = positionals
    const known = ['table', 'json'].includes(output) && more.length === 0
    const counts = [rounds, seconds, ...delaysMs].every((it) => Number.isInteger(it) && it > 0)
    const whole = seeds.every((seed) => Number.isInteger(seed) && seed >= 0)
    if (known && counts && whole && (part === 'policy' || part === 'disk' || part === 'both')) {
      const disk = { rounds, seconds, delaysMs, folder, program }
      return { part, output, seeds, files: values.lis, disk, yes }
    }
    throw new Error(USAGE)
  } catch (thrown) {
    throw new PurlinError('PUR_INVALID', {
      message: `${toPurlinError(thrown).message.split('\n')[0]}; ${USAGE}`,
      context: { usage: true },
    })
  }
}
