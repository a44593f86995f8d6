import { parseArgs } from 'node:util'
import { PurlinError, toPurlinError } from '@purlin/base'
import { aligned } from '../sandbox/up/table.ts'
import { isRoot } from '../setup/privilege.ts'
import { Progress } from '../setup/progress.ts'
import { setUp } from '../setup/set-up.ts'
import { type AgentBench, benchAgent } from './agent.ts'
import type { Summary } from './quantile.ts'

const USAGE = 'usage: ./purlin bench agent [-o table|json] [--yes]'

/** `./purlin bench agent`. Needs root, as the sandbox does. */
export async function runAgentBench(
  words: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const { output, yes } = readWords(words)
  const progress = new Progress()
  await setUp({ yes, sets: ['sandbox', 'build', 'guest'], progress })
  if (!isRoot()) {
    throw new PurlinError('PUR_HOST_UNFIT', {
      message:
        'the benchmark measures in a sandbox, which needs root: run sudo ./purlin bench agent',
    })
  }
  const found = await benchAgent(progress, signal)
  const text = output === 'json' ? JSON.stringify(found, null, 2) : benchLines(found).join('\n')
  process.stdout.write(`${text}\n`)
  return 0
}

function benchLines(found: AgentBench): readonly string[] {
  const row = (name: string, { count, p50, p99, largest }: Summary, cpuMs?: number): string[] => [
    name,
    ...[count, p50, p99, largest].map(String),
    cpuMs === undefined ? '' : String(cpuMs),
  ]
  return [
    ...aligned([
      ['milliseconds', 'n', 'p50', 'p99', 'largest', 'CPU each'],
      row('rule edit, API call to kernel read-back', found.edit, found.editCpuMs),
      row('the same by nft, loaded and listed', found.peer, found.peerCpuMs),
      row('agent start to ready', found.start),
    ]),
    `the agent takes ${found.ratio} times as long as the peer (medians)`,
    `idle memory of the agent and what it started: ${found.idleResidentMiB} MiB resident`,
    `${found.checked} edits were looked for in the kernel by nft list, and found`,
  ]
}

function readWords(words: readonly string[]): { output: 'table' | 'json'; yes: boolean } {
  try {
    const { values } = parseArgs({
      args: [...words],
      options: {
        output: { type: 'string', short: 'o', default: 'table' },
        yes: { type: 'boolean', short: 'y', default: false },
      },
    })
    const { output, yes } = values
    if (output !== 'table' && output !== 'json') throw new Error(`-o ${output}: table or json`)
    return { output, yes }
  } catch (cause) {
    const message = `${toPurlinError(cause).message}\n${USAGE}`
    throw new PurlinError('PUR_INVALID', { message, cause, context: { usage: true } })
  }
}
