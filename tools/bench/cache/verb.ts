import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import { PurlinError, toPurlinError } from '@purlin/base'
import { Progress } from '../../setup/progress.ts'
import { judge, type TraceRows } from './judgement.ts'
import { reportLines } from './report.ts'

const USAGE = 'usage: ./purlin bench cache [-o table|json] [--seeds 11,12] [--lis FILE]...'
const PERCENTS = [5, 10, 20]
const REQUESTS = 250_000
/** Seeds that the policy was not tuned on. */
const SEEDS = '31,32'

interface Words {
  readonly output: string
  readonly seeds: readonly number[]
  readonly files: readonly string[]
}

/** `./purlin bench cache`: the cache's policy beside the others, over made traces of every kind and
 *  over the files that are given. A missed goal is a figure and no error. */
export async function runCacheBench(
  words: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const { output, seeds, files } = readWords(words)
  const progress = new Progress()
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
  const judgement = judge(traces)
  const text =
    output === 'json' ? JSON.stringify(judgement, null, 2) : reportLines(judgement).join('\n')
  process.stdout.write(`${text}\n`)
  return 0
}

function readWords(words: readonly string[]): Words {
  try {
    const { values } = parseArgs({
      args: [...words],
      options: {
        output: { type: 'string', short: 'o', default: 'table' },
        seeds: { type: 'string', default: SEEDS },
        lis: { type: 'string', multiple: true, default: [] },
      },
    })
    const seeds = values.seeds.split(',').map(Number)
    const known = ['table', 'json'].includes(values.output)
    if (known && seeds.every((seed) => Number.isInteger(seed) && seed >= 0)) {
      return { output: values.output, seeds, files: values.lis }
    }
    throw new Error(USAGE)
  } catch (thrown) {
    throw new PurlinError('PUR_INVALID', {
      message: `${toPurlinError(thrown).message.split('\n')[0]}; ${USAGE}`,
      context: { usage: true },
    })
  }
}
