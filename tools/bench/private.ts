import { parseArgs } from 'node:util'
import { PurlinError, run, toPurlinError } from '@purlin/base'
import type { z } from 'zod'
import { repository } from '../repository.ts'
import { PrivateHost } from '../sandbox/host.ts'
import { isRoot } from '../setup/privilege.ts'
import { Progress } from '../setup/progress.ts'
import { setUp } from '../setup/set-up.ts'

/** What a benchmark was asked for. */
export interface BenchWords {
  readonly output: 'table' | 'json'
  /** How often each side is measured in turn; `roundsDefault` when not asked for. */
  readonly rounds: number
  readonly quick: boolean
  readonly yes: boolean
}

/** A benchmark that is measured by a program inside a private host. */
export interface PrivateBench<Findings extends z.ZodType> {
  /** `./purlin bench NAME`. */
  readonly name: string
  /** Absent: it knows no --rounds. */
  readonly roundsDefault?: number
  readonly sets: Parameters<typeof setUp>[0]['sets']
  /** What is made ready before the private host starts. */
  readonly prepare?: (progress: Progress) => Promise<unknown>
  /** The program: it takes the order as its one argument, and prints findings as JSON. */
  readonly inside: string
  readonly order: (words: BenchWords, host: PrivateHost) => object | Promise<object>
  readonly findings: Findings
  readonly lines: (findings: z.output<Findings>) => readonly string[]
  readonly timeoutMs: number
}

/** Runs a benchmark in a private host and prints what it found. Errors: PUR_INVALID for its words,
 *  PUR_HOST_UNFIT for who is not root, and those of the program. */
export async function runPrivateBench<Findings extends z.ZodType>(
  bench: PrivateBench<Findings>,
  given: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const words = readWords(bench, given)
  const progress = new Progress()
  await setUp({ yes: words.yes, sets: bench.sets, progress })
  if (!isRoot()) {
    throw new PurlinError('PUR_HOST_UNFIT', {
      message: 'the benchmark makes network namespaces, which needs root: run it by sudo',
    })
  }
  await bench.prepare?.(progress)
  const findings = await progress.step('measured', () => measured(bench, words, signal))
  const json = words.output === 'json'
  const lines = json ? [JSON.stringify(findings, null, 2)] : bench.lines(findings)
  process.stdout.write(`${lines.join('\n')}\n`)
  return 0
}

async function measured<Findings extends z.ZodType>(
  bench: PrivateBench<Findings>,
  words: BenchWords,
  signal: AbortSignal,
): Promise<z.output<Findings>> {
  const host = await PrivateHost.start({ name: 'bench-host' })
  try {
    const order = JSON.stringify(await bench.order(words, host))
    const node = [process.execPath, '--conditions=purlin-source', bench.inside, order]
    const [program, ...args] = host.enter(['env', '--chdir', repository, ...node])
    const { stdout } = await run(program, args, { timeoutMs: bench.timeoutMs, signal })
    return bench.findings.parse(JSON.parse(stdout))
  } finally {
    await host.end()
  }
}

function readWords(
  { name, roundsDefault }: { readonly name: string; readonly roundsDefault?: number },
  given: readonly string[],
): BenchWords {
  const options = {
    output: { type: 'string', short: 'o', default: 'table' },
    quick: { type: 'boolean', default: false },
    yes: { type: 'boolean', short: 'y', default: false },
  } as const
  const withRounds = { ...options, rounds: { type: 'string' } } as const
  const takesRounds = roundsDefault !== undefined
  try {
    const { values } = parseArgs({ args: [...given], options: takesRounds ? withRounds : options })
    const { output, quick, yes } = values
    const asked = 'rounds' in values ? values.rounds : undefined
    const rounds = asked === undefined ? (roundsDefault ?? 1) : Number(asked)
    if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds ${asked}: from 1`)
    if (output !== 'table' && output !== 'json') throw new Error(`-o ${output}: table or json`)
    return { output, rounds, quick, yes }
  } catch (cause) {
    const rounds = takesRounds ? ' [--rounds N]' : ''
    const usage = `usage: ./purlin bench ${name}${rounds} [--quick] [-o table|json] [--yes]`
    const message = `${toPurlinError(cause).message}\n${usage}`
    throw new PurlinError('PUR_INVALID', { message, cause, context: { usage: true } })
  }
}
