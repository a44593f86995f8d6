import { PurlinError, run } from '@purlin/base'
import { repository } from '../repository.ts'
import { lastLines, type Results } from './results.ts'

/** One part of `./purlin test`. */
export interface Suite {
  readonly name: string
  readonly run: (signal: AbortSignal) => Promise<Results>
}

const SUITE_TIMEOUT_MS = 45 * 60_000
const ANY_EXIT_CODE = Array.from({ length: 255 }, (_, index) => index + 1)

/** Runs a program of the repository to its end, whatever its exit code, and gives all it said. */
export async function output(
  command: readonly [program: string, ...args: string[]],
  signal: AbortSignal,
  workingFolder: string = repository,
): Promise<{ readonly text: string; readonly exitCode: number }> {
  const [program, ...args] = command
  const outcome = await run(program, args, {
    timeoutMs: SUITE_TIMEOUT_MS,
    signal,
    workingFolder,
    acceptedExitCodes: ANY_EXIT_CODE,
    environment: { FORCE_COLOR: '0', NO_COLOR: '1', CARGO_TERM_COLOR: 'never', NX_TUI: 'false' },
  })
  return { text: `${outcome.stdout}\n${outcome.stderr}`, exitCode: outcome.exitCode }
}

/** A program whose exit code is the whole result: one case. */
export function check(name: string, ...command: [program: string, ...args: string[]]): Suite {
  return {
    name,
    run: async (signal) => {
      const { text, exitCode } = await output(command, signal)
      if (exitCode === 0) return { passed: 1, failures: [] }
      return { passed: 0, failures: [{ title: command.join(' '), detail: lastLines(text) }] }
    },
  }
}

/** Programs that print their cases; one that ends badly without a failed case is a failure of its
 *  own, and so is one that ran no case at all. */
export function cases(
  name: string,
  read: (text: string) => Results,
  command: () => Promise<readonly [program: string, ...args: string[]]>,
  workingFolder: string = repository,
): Suite {
  return {
    name,
    run: async (signal) => {
      const words = await command()
      const { text, exitCode } = await output(words, signal, workingFolder)
      const results = read(text)
      const silent = results.passed + results.failures.length === 0
      if ((exitCode === 0 && !silent) || results.failures.length > 0) return results
      const what = silent ? 'ran no test' : `ended with ${exitCode}`
      const failure = { title: `${words.join(' ')} ${what}`, detail: lastLines(text) }
      return { passed: results.passed, failures: [failure] }
    },
  }
}

/** Runs a suite; what it throws is a failure of the suite, except that the person gave up. */
export async function runSuite(suite: Suite, signal: AbortSignal): Promise<Results> {
  try {
    return await suite.run(signal)
  } catch (thrown) {
    if (signal.aborted) throw thrown
    const detail = thrown instanceof PurlinError ? thrown.message : String(thrown)
    return { passed: 0, failures: [{ title: suite.name, detail }] }
  }
}
