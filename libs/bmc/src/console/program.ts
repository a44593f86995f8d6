import { spawn } from 'node:child_process'

/** A program that goes on until it is stopped or ends by itself. */
export interface RunningProgram {
  /** What it prints on standard output; ends with it. */
  readonly output: AsyncIterable<Uint8Array>
  /** Its last words on standard error, when it has ended. */
  readonly ended: Promise<string>
  stop(): void
}

/** The seam to programs that go on. */
export type StartProgram = (
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
) => RunningProgram

const WORDS_CHARACTERS_MAX = 2_000

/** Starts a program whose standard input stays open and empty. It ends with this process, however
 *  that ends: the kernel's parent-death signal sees to it. */
export const startProgram: StartProgram = (program, args, environment) => {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  })
  let words = ''
  child.stdin.on('error', () => {}) // It may end before its input does.
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    words = (words + part).slice(-WORDS_CHARACTERS_MAX)
  })
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', () => resolve(words))
  })
  return { output: child.stdout, ended, stop: () => void child.kill('SIGKILL') }
}
