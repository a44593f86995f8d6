import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { inNamespace } from '../links/batch.ts'

/** A program that tells what happens, line by line. */
export interface FollowedProgram {
  readonly processId: number | undefined
  /** Resolves when it has ended, or could not be started. */
  readonly ended: Promise<void>
}

/** Starts a program in the network namespace of a process and hands on what it prints, until
 *  `signal`. It is bound to this process by the kernel's parent-death signal, so that a kill -9 of
 *  the agent leaves none behind. */
export function followProgram(
  namespaceOf: number,
  command: readonly string[],
  onLine: (line: string) => void,
  signal: AbortSignal,
): FollowedProgram {
  const words = ['--pdeathsig', 'KILL', ...inNamespace(namespaceOf, command)]
  const child = spawn('setpriv', words, { stdio: ['ignore', 'pipe', 'ignore'] })
  const stop = (): void => {
    child.kill('SIGKILL')
  }
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  createInterface({ input: child.stdout }).on('line', onLine)
  const ended = new Promise<void>((resolve) => {
    const over = (): void => {
      signal.removeEventListener('abort', stop)
      resolve()
    }
    child.once('error', over)
    child.once('close', over)
  })
  return { processId: child.pid, ended }
}
