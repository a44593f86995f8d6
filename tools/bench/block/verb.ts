import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PurlinError, toPurlinError } from '@purlin/base'
import { buildNative } from '../../native/build.ts'
import { cargoBuild } from '../../native/cargo.ts'
import { cacheFolder, repository } from '../../repository.ts'
import { Progress } from '../../setup/progress.ts'
import { setUpPackages } from '../../setup/set-up.ts'
import { reportLines } from './report.ts'
import { measureAll, measureRecovery, type RunOptions } from './rows.ts'

const USAGE =
  'usage: ./purlin bench block [--quick] [--rounds N] [--seconds N] [--folder FOLDER] ' +
  '[--program FILE] [-o table|json] [--yes]\n' +
  '       ./purlin bench block placement [-o table|json]\n' +
  '       ./purlin bench block recovery [--quick] [--folder FOLDER] [--program FILE] ' +
  '[-o table|json] [--yes]'
/** The daemon as a clone's set-up builds it. */
const PROGRAM = join(repository, 'target/release/purlin-blockd')

/** `./purlin bench block`: the daemon against qemu-storage-daemon, by fio's NBD client. A missed
 *  goal is a figure and no error. */
export async function runBlockBench(
  words: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  if (words[0] === 'placement') return await showPlacement(words.slice(1))
  const isRecovery = words[0] === 'recovery'
  const options = readWords(isRecovery ? words.slice(1) : words)
  const progress = new Progress()
  await setUpPackages({ yes: options.yes, sets: ['build', 'reference'], progress })
  if (options.program === PROGRAM) {
    await progress.step('purlin-blockd built', () => buildNative(['blockd']))
  }
  await progress.step('vhost-user driver built', () =>
    cargoBuild(repository, ['--package', 'purlin-front-end'], {}),
  )
  const folder = await mkdtemp(join(options.folder, 'purlin-bench-block-'))
  try {
    const note = (what: string): void => progress.note(what)
    const findings = await progress.step('measured', () =>
      isRecovery
        ? measureRecovery(folder, options, signal)
        : measureAll(folder, options, note, signal),
    )
    const asJson = options.output === 'json'
    const lines = asJson ? [JSON.stringify(findings, null, 2)] : reportLines(findings)
    process.stdout.write(`${lines.join('\n')}\n`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return 0
}

/** What placement moves, rebuilds and holds: by counting, the same on every machine. */
async function showPlacement(words: readonly string[]): Promise<number> {
  const { output } = readWords(words)
  await buildNative(['block-native'])
  const { placementFigures, placementLines } = await import('./placement.ts')
  const figures = placementFigures()
  const asJson = output === 'json'
  const lines = asJson ? [JSON.stringify(figures, null, 2)] : placementLines(figures)
  process.stdout.write(`${lines.join('\n')}\n`)
  return 0
}

interface Options extends RunOptions {
  readonly output: 'table' | 'json'
  readonly folder: string
  readonly yes: boolean
}

/** Reads the verb's words; a quick run is told apart by smaller numbers alone. Errors:
 *  PUR_INVALID with the usage. */
export function readWords(words: readonly string[]): Options {
  try {
    const { values } = parseArgs({
      args: [...words],
      options: {
        output: { type: 'string', short: 'o', default: 'table' },
        quick: { type: 'boolean', default: false },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        folder: { type: 'string', default: cacheFolder },
        program: { type: 'string', default: PROGRAM },
        yes: { type: 'boolean', short: 'y', default: false },
      },
    })
    const { output, folder, program, quick, yes } = values
    const rounds = Number(values.rounds ?? (quick ? '2' : '5'))
    const seconds = Number(values.seconds ?? (quick ? '1' : '3'))
    if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds: a number from 1')
    if (!Number.isInteger(seconds) || seconds < 1) throw new Error('--seconds: a number from 1')
    if (output !== 'table' && output !== 'json') throw new Error(`-o ${output}: table or json`)
    return { output, rounds, seconds, quick, folder, program, yes }
  } catch (cause) {
    const message = `${toPurlinError(cause).message}\n${USAGE}`
    throw new PurlinError('PUR_INVALID', { message, cause, context: { usage: true } })
  }
}
