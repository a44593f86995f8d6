import { isAbsolute, join } from 'node:path'
import { parseArgs } from 'node:util'
import { PurlinError, toPurlinError } from '@purlin/base'
import { makePackages } from '../package/package.ts'
import { repository } from '../repository.ts'
import { Progress } from '../setup/progress.ts'
import { setUp } from '../setup/set-up.ts'

/** `./purlin package`: makes the packages and writes their paths to standard output. */
export async function runPackage(words: readonly string[]): Promise<number> {
  const { out, yes } = readWords(words)
  const progress = new Progress()
  await setUp({ yes, sets: ['build', 'guest', 'packaging'], progress })
  const caller = process.env.PURLIN_CALLER_FOLDER ?? process.cwd()
  const output =
    out === undefined ? join(repository, 'out') : isAbsolute(out) ? out : join(caller, out)
  for (const path of await makePackages(output, progress)) process.stdout.write(`${path}\n`)
  return 0
}

function readWords(words: readonly string[]): { out?: string | undefined; yes: boolean } {
  try {
    return parseArgs({
      args: [...words],
      options: {
        out: { type: 'string' },
        yes: { type: 'boolean', short: 'y', default: false },
      },
    }).values
  } catch (cause) {
    const message = `${toPurlinError(cause).message}\nusage: ./purlin package [--out FOLDER] [--yes]`
    throw new PurlinError('PUR_INVALID', { message, cause, context: { usage: true } })
  }
}
