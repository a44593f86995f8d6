import { parseArgs } from 'node:util'
import { PurlinError, toPurlinError } from '@purlin/base'
import { CODES, type Shape, SIZES_BYTES } from './cases.ts'
import { COLUMNS, type Column, isColumn } from './columns.ts'

export const EC_USAGE = `usage: ./purlin bench ec [-o table|json] [--yes] [--quick] [--rounds N]
         [--slice-ms N] [--cases 4+2,8+3] [--sizes 4096,65536] [--peers NAME,...] [--core N]
       ./purlin bench ec --worker   answers lines OP K M SIZE STRIPES MS on standard input`

const SHARDS_MAX = 256
const SIZE_BYTES_MAX = 64 * 2 ** 20

/** The words of `./purlin bench ec`. */
export interface EcOptions {
  readonly worker: boolean
  readonly output: 'table' | 'json'
  readonly yes: boolean
  readonly rounds: number
  readonly sliceMs: number
  readonly shapes: readonly Shape[]
  readonly peers: readonly Column[]
  /** The core that measures; the last one by default. */
  readonly core: number | undefined
}

/** Reads the words after `bench ec`. Errors: PUR_INVALID with the usage. */
export function readEcOptions(words: readonly string[]): EcOptions {
  try {
    const { values } = parseArgs({
      args: [...words],
      options: {
        worker: { type: 'boolean', default: false },
        output: { type: 'string', short: 'o', default: 'table' },
        yes: { type: 'boolean', short: 'y', default: false },
        quick: { type: 'boolean', default: false },
        rounds: { type: 'string' },
        'slice-ms': { type: 'string' },
        cases: { type: 'string', default: CODES.join() },
        sizes: { type: 'string', default: SIZES_BYTES.join() },
        peers: { type: 'string', default: COLUMNS.join() },
        core: { type: 'string' },
      },
    })
    const { output, quick } = values
    if (output !== 'table' && output !== 'json') throw new Error(`-o ${output}: table or json`)
    const sizes = values.sizes.split(',').map((word) => count('--sizes', word, SIZE_BYTES_MAX))
    return {
      worker: values.worker,
      output,
      yes: values.yes,
      rounds: count('--rounds', values.rounds ?? (quick ? '3' : '7'), 1000),
      sliceMs: count('--slice-ms', values['slice-ms'] ?? (quick ? '4' : '12'), 10_000),
      shapes: values.cases
        .split(',')
        .map(readCode)
        .flatMap((code) => sizes.map((sizeBytes) => ({ ...code, sizeBytes }))),
      peers: values.peers.split(',').map(readColumn),
      core: values.core === undefined ? undefined : count('--core', values.core, 4096, 0),
    }
  } catch (cause) {
    const message = `${toPurlinError(cause).message}\n${EC_USAGE}`
    throw new PurlinError('PUR_INVALID', { message, cause, context: { usage: true } })
  }
}

function count(option: string, word: string, most: number, least = 1): number {
  const value = Number(word)
  if (/^\d+$/.test(word) && value >= least && value <= most) return value
  throw new Error(`${option} ${word}: a whole number from ${least} to ${most} is wanted`)
}

function readCode(word: string): { k: number; m: number } {
  const [, k = '', m = ''] = /^(\d+)\+(\d+)$/.exec(word) ?? []
  if (k === '') throw new Error(`--cases ${word}: K+M is wanted, such as 4+2`)
  const code = { k: count('--cases', k, SHARDS_MAX), m: count('--cases', m, SHARDS_MAX) }
  if (code.k + code.m <= SHARDS_MAX) return code
  throw new Error(`--cases ${word}: K+M is at most ${SHARDS_MAX}`)
}

function readColumn(word: string): Column {
  if (isColumn(word)) return word
  throw new Error(`--peers ${word}: there are ${COLUMNS.join(', ')}`)
}
