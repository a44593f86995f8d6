import { parseArgs } from 'node:util'
import { PurlinError, toPurlinError } from '@purlin/base'

export const UP_USAGE = 'usage: ./purlin up [FILE] [--once] [--sabotage] [--yes] [-o table|json]'

/** The words of `./purlin up`. */
export interface UpOptions {
  readonly file: string | undefined
  readonly once: boolean
  readonly sabotage: boolean
  readonly yes: boolean
  readonly output: 'table' | 'json'
}

/** Reads the words after `up`. Errors: PUR_INVALID with the usage. */
export function readUpOptions(words: readonly string[]): UpOptions {
  try {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        once: { type: 'boolean', default: false },
        sabotage: { type: 'boolean', default: false },
        yes: { type: 'boolean', short: 'y', default: false },
        output: { type: 'string', short: 'o', default: 'table' },
      },
    })
    const { once, sabotage, yes, output } = values
    const [file, ...rest] = positionals
    if (rest.length > 0) throw new Error(`one manifest at a time, found also ${rest.join(' ')}`)
    if (output !== 'table' && output !== 'json') throw new Error(`-o ${output}: table or json`)
    return { file, once, sabotage, yes, output }
  } catch (cause) {
    const message = `${toPurlinError(cause).message}\n${UP_USAGE}`
    throw new PurlinError('PUR_INVALID', { message, cause, context: { usage: true } })
  }
}
