import { existsSync } from 'node:fs'
import { execa } from 'execa'
import { PurlinError } from './errors/purlin-error.ts'

export interface RunOptions {
  /** The program is killed (TERM, then KILL after 2 s) when it has not ended by then. */
  readonly timeoutMs: number
  readonly input?: string
  readonly signal?: AbortSignal
  readonly workingFolder?: string
  /** Added to the environment of this process. */
  readonly environment?: Readonly<Record<string, string>>
  /** Exit codes that are no error; 0 is always in. */
  readonly acceptedExitCodes?: readonly number[]
}

export interface RunOutcome {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number
}

/** The seam to other programs; `run` is the real one. */
export type Run = (
  program: string,
  args: readonly string[],
  options: RunOptions,
) => Promise<RunOutcome>

const OUTPUT_LIMIT_BYTES = 64 * 1024 * 1024
const STDERR_SHOWN_CHARACTERS = 600

/** Runs a program to its end; arguments go as an array, never through a shell. Errors:
 *  PUR_EXEC_NOT_FOUND, PUR_EXEC_TIMEOUT, PUR_EXEC_FAILED (with the end of its standard error). */
export const run: Run = async (program, args, options) => {
  const result = await execa(program, [...args], {
    reject: false,
    timeout: options.timeoutMs,
    forceKillAfterDelay: 2_000,
    maxBuffer: OUTPUT_LIMIT_BYTES,
    stripFinalNewline: false,
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    ...(options.signal && { cancelSignal: options.signal }),
    ...(options.workingFolder !== undefined && { cwd: options.workingFolder }),
    ...(options.environment && { env: { ...options.environment } }),
  })
  const command = [program, ...args].join(' ').slice(0, 300)
  const stderr = String(result.stderr ?? '')
  // The kernel answers ENOENT for a missing working folder too.
  if (result.code === 'ENOENT' && existsSync(options.workingFolder ?? '/')) {
    throw new PurlinError('PUR_EXEC_NOT_FOUND', {
      message: `${program}: not found; install the package that carries it`,
      context: { program },
    })
  }
  if (result.isCanceled) {
    throw new PurlinError('PUR_CANCELLED', { message: `${command}: given up by the caller` })
  }
  if (result.timedOut) {
    throw new PurlinError('PUR_EXEC_TIMEOUT', {
      message: `${command}: did not end within ${options.timeoutMs} ms and was killed`,
      context: { program, timeoutMs: options.timeoutMs },
    })
  }
  const exitCode = result.exitCode
  if (
    exitCode === undefined ||
    (exitCode !== 0 && !options.acceptedExitCodes?.includes(exitCode))
  ) {
    const unfinished =
      result.signal === undefined ? 'did not start' : `was ended by ${result.signal}`
    const ending = exitCode === undefined ? unfinished : `ended with ${exitCode}`
    const told = stderr.trim() || (result.originalMessage ?? '')
    throw new PurlinError('PUR_EXEC_FAILED', {
      message: `${command}: ${ending}: ${told.slice(-STDERR_SHOWN_CHARACTERS)}`,
      context: { program, exitCode: exitCode ?? null },
      cause: result.cause,
    })
  }
  return { stdout: String(result.stdout ?? ''), stderr, exitCode }
}
