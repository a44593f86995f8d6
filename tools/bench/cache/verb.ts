import { mkdtemp, rm } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { PurlinError, toPurlinError } from '@purlin/base'
import { buildNative } from '../../native/build.ts'
import { cacheFolder, repository } from '../../repository.ts'
import { Progress } from '../../setup/progress.ts'
import { setUpPackages } from '../../setup/set-up.ts'
import { compareDisks, type DiskFinding, type DiskOptions } from './disk/compare.ts'
import { SPAN_MIB } from './disk/jobs.ts'
import { diskLines } from './disk/report.ts'
import { type Judgement, judge, type TraceRows } from './judgement.ts'
import { compareWithKernel } from './kernel/compare.ts'
import { type KernelOptions, type KernelRun, kernelLoads } from './kernel/measure.ts'
import { peerNames } from './kernel/peer.ts'
import { kernelLines } from './kernel/report.ts'
import { reportLines } from './report.ts'

const USAGE =
  'usage: ./purlin bench cache [policy|disk|kernel] [-o table|json] [--seeds 11,12] ' +
  '[--lis FILE]... [--rounds N] [--seconds N] [--delays 1,8] [--folder FOLDER] ' +
  '[--program FILE] [--requests N] [--span-mib 256] [--loads read,back,mix] [--peers NAME,NAME] [--yes]'
/** The daemon as a clone’s set-up builds it. */
const PROGRAM = join(repository, 'target/release/purlin-blockd')
const PERCENTS = [5, 10, 20]
const REQUESTS = 250_000
/** Seeds that the policy was not tuned on. */
const SEEDS = '31,32'

interface Words {
  readonly part: 'policy' | 'disk' | 'kernel' | 'both'
  readonly output: string
  readonly seeds: readonly number[]
  readonly files: readonly string[]
  readonly disk: DiskOptions
  readonly kernel: KernelOptions
  readonly yes: boolean
}

/** `./purlin bench cache`: the cache's policy beside the others, over made traces of every kind and
 *  over the files that are given; then the served cache over an emulated disk, beside the bare disk
 *  and nbdkit's cache. `kernel`, which is asked for by its name alone, compares the requests that
 *  the kernel's caches and ours spare a disk, in a guest. A missed goal is a figure, no error. */
export async function runCacheBench(
  words: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const read = readWords(words)
  const progress = new Progress()
  if (read.part === 'kernel') {
    const runs = await compareInGuest(read, progress, signal)
    const rows = read.output === 'json' ? [JSON.stringify(runs, null, 2)] : kernelLines(runs)
    process.stdout.write(`${rows.join('\n')}\n`)
    return 0
  }
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

async function compareInGuest(
  { kernel, yes }: Words,
  progress: Progress,
  signal: AbortSignal,
): Promise<readonly KernelRun[]> {
  await setUpPackages({ yes, sets: ['build', 'reference', 'guest', 'caches'], progress })
  if (kernel.program === PROGRAM) {
    await progress.step('purlin-blockd built', () => buildNative(['blockd']))
  }
  return await compareWithKernel(kernel, signal)
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
        requests: { type: 'string', default: '60000' },
        'span-mib': { type: 'string', default: String(SPAN_MIB) },
        loads: { type: 'string', default: Object.keys(kernelLoads).join(',') },
        peers: { type: 'string', default: peerNames.join(',') },
        yes: { type: 'boolean', short: 'y', default: false },
      },
    })
    const seeds = values.seeds.split(',').map(Number)
    const delaysMs = values.delays.split(',').map(Number)
    const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)]
    const { output, folder, program, yes } = values
    const [part = 'both', ...more] = positionals
    const known = ['table', 'json'].includes(output) && more.length === 0
    const sizes = [Number(values.requests), Number(values['span-mib']) / 4]
    const counts = [rounds, seconds, ...sizes, ...delaysMs].every(isCount)
    const whole = seeds.every((seed) => Number.isInteger(seed) && seed >= 0)
    if (known && counts && whole && isPart(part)) {
      const disk = { rounds, seconds, delaysMs, folder, program }
      const kernel = {
        ...{ program: resolve(program), requests: Number(values.requests) },
        delayMs: delaysMs[0] ?? 1,
        spanMib: Number(values['span-mib']),
        loads: chosen(values.loads, Object.keys(kernelLoads)) as KernelOptions['loads'],
        peers: chosen(values.peers, peerNames) as KernelOptions['peers'],
      }
      return { part, output, seeds, files: values.lis, disk, kernel, yes }
    }
    throw new Error(USAGE)
  } catch (thrown) {
    throw new PurlinError('PUR_INVALID', {
      message: `${toPurlinError(thrown).message.split('\n')[0]}; ${USAGE}`,
      context: { usage: true },
    })
  }
}

function isCount(number: number): boolean {
  return Number.isInteger(number) && number > 0
}

function isPart(word: string): word is Words['part'] {
  return ['policy', 'disk', 'kernel', 'both'].includes(word)
}

function chosen(list: string, known: readonly string[]): readonly string[] {
  const names = list.split(',')
  if (names.every((name) => known.includes(name))) return names
  throw new Error(`${list}: there are ${known.join(', ')}`)
}
