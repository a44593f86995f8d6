import { parseArgs } from 'node:util'
import { PurlinError, toPurlinError } from '@purlin/base'
import { Progress } from '../setup/progress.ts'
import { setUp } from '../setup/set-up.ts'

/** `./purlin setup`: only brings the machine to where a sandbox can start. */
export async function runSetup(words: readonly string[]): Promise<number> {
  let yes: boolean
  try {
    const options = { yes: { type: 'boolean', short: 'y', default: false } } as const
    yes = parseArgs({ args: [...words], options }).values.yes
  } catch (cause) {
    const message = `${toPurlinError(cause).message}\nusage: ./purlin setup [--yes]`
    throw new PurlinError('PUR_INVALID', { message, cause, context: { usage: true } })
  }
  await setUp({ yes, sets: ['sandbox', 'build', 'guest'], progress: new Progress() })
  return 0
}
