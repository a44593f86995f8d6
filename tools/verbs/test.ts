import { parseArgs } from 'node:util'
import { PurlinError, toPurlinError } from '@purlin/base'
import { Progress } from '../setup/progress.ts'
import { setUp } from '../setup/set-up.ts'
import { joinResults, type Results } from '../test/results.ts'
import { runSuite } from '../test/suite.ts'
import { allSuites } from '../test/suites.ts'

const USAGE = 'usage: ./purlin test [--long] [--yes] [PATTERN]   suites whose name contains PATTERN'

/** `./purlin test`: every suite, then what failed, then the line `N passed, N failed`. */
export async function runTest(words: readonly string[], signal: AbortSignal): Promise<number> {
  const { long, yes, pattern } = readWords(words)
  const progress = new Progress()
  await setUp({
    yes,
    sets: [
      'sandbox',
      'build',
      'guest',
      'reference',
      'fleet',
      'bareMetal',
      ...(long ? (['packaging', 'benchmark', 'cross', 'python', 'bareMetalLong'] as const) : []),
    ],
    progress,
  })
  const suites = (await allSuites({ long })).filter(({ name }) => name.includes(pattern))
  if (suites.length === 0) {
    throw new PurlinError('PUR_INVALID', { message: `no suite’s name contains ${pattern}` })
  }
  const all: Results[] = []
  for (const suite of suites) {
    const results = await progress.step(
      suite.name,
      async (tell) => {
        const found = await runSuite(suite, signal)
        tell(`${found.passed} passed, ${found.failures.length} failed`)
        return found
      },
      ({ failures }) => failures.length === 0,
    )
    all.push(results)
    for (const { title, detail } of results.failures) {
      process.stdout.write(`\nfailed: ${suite.name}: ${title}\n${detail}\n`)
    }
  }
  const { passed, failures } = joinResults(all)
  process.stdout.write(`\n${passed} passed, ${failures.length} failed\n`)
  return failures.length === 0 ? 0 : 1
}

function readWords(words: readonly string[]): { long: boolean; yes: boolean; pattern: string } {
  try {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        long: { type: 'boolean', default: false },
        yes: { type: 'boolean', short: 'y', default: false },
      },
    })
    return { ...values, pattern: positionals.join(' ') }
  } catch (cause) {
    const message = `${toPurlinError(cause).message}\n${USAGE}`
    throw new PurlinError('PUR_INVALID', { message, cause, context: { usage: true } })
  }
}
