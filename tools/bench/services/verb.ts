import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PurlinError, run, toPurlinError } from '@purlin/base'
import { repository } from '../../repository.ts'
import { PrivateHost } from '../../sandbox/host.ts'
import { isRoot } from '../../setup/privilege.ts'
import { Progress } from '../../setup/progress.ts'
import { setUp } from '../../setup/set-up.ts'
import { type ServiceFindings, serviceFindings } from './findings.ts'
import { reportLines } from './report.ts'

const USAGE = 'usage: ./purlin bench services [--rounds N] [--quick] [-o table|json] [--yes]'
const INSIDE = join(import.meta.dirname, 'inside.ts')
const CLIENT = join(repository, 'libs/vswitch/tests/support/dhcp-load.ts')
const TIMEOUT_MS = 20 * 60_000
const RESERVATIONS = 1_000
const SLOTS = 16

/** `./purlin bench services`: DHCP of a port group against a plain dnsmasq, in a private host,
 *  which needs root. */
export async function runServicesBench(
  words: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const { output, rounds, quick, yes } = readWords(words)
  const progress = new Progress()
  await setUp({ yes, sets: ['sandbox'], progress })
  if (!isRoot()) {
    throw new PurlinError('PUR_HOST_UNFIT', {
      message: 'the benchmark makes network namespaces, which needs root: run it by sudo',
    })
  }
  const findings = await progress.step('measured', async () => await measure(rounds, quick, signal))
  const lines = output === 'json' ? [JSON.stringify(findings, null, 2)] : reportLines(findings)
  process.stdout.write(`${lines.join('\n')}\n`)
  return 0
}

async function measure(
  rounds: number,
  quick: boolean,
  signal: AbortSignal,
): Promise<ServiceFindings> {
  const host = await PrivateHost.start({ name: 'bench-host' })
  try {
    const order = {
      rounds: quick ? Math.min(rounds, 3) : rounds,
      roundMs: quick ? 1_500 : 5_000,
      reservations: RESERVATIONS,
      slots: SLOTS,
      client: CLIENT,
    }
    const node = [process.execPath, '--conditions=purlin-source', INSIDE, JSON.stringify(order)]
    const [program, ...args] = host.enter(['env', '--chdir', repository, ...node])
    const { stdout } = await run(program, args, { timeoutMs: TIMEOUT_MS, signal })
    return serviceFindings.parse(JSON.parse(stdout))
  } finally {
    await host.end()
  }
}

function readWords(words: readonly string[]): {
  readonly output: 'table' | 'json'
  readonly rounds: number
  readonly quick: boolean
  readonly yes: boolean
} {
  try {
    const { values } = parseArgs({
      args: [...words],
      options: {
        output: { type: 'string', short: 'o', default: 'table' },
        rounds: { type: 'string', default: '7' },
        quick: { type: 'boolean', default: false },
        yes: { type: 'boolean', short: 'y', default: false },
      },
    })
    const { output, quick, yes } = values
    const rounds = Number(values.rounds)
    if (!Number.isInteger(rounds) || rounds < 1)
      throw new Error(`--rounds ${values.rounds}: from 1`)
    if (output !== 'table' && output !== 'json') throw new Error(`-o ${output}: table or json`)
    return { output, rounds, quick, yes }
  } catch (cause) {
    const message = `${toPurlinError(cause).message}\n${USAGE}`
    throw new PurlinError('PUR_INVALID', { message, cause, context: { usage: true } })
  }
}
