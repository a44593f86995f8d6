import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { buildOwnWorker } from './build.ts'

/** `./purlin bench ec --worker`: Purlin's side alone, on this process's standard input and output.
 *  What the build says goes to standard error. Gives the worker's exit code. */
export async function runOwnWorker(signal: AbortSignal): Promise<number> {
  const program = await buildOwnWorker()
  const child = spawn(program, [], { stdio: 'inherit' })
  const stop = (): void => {
    child.kill('SIGTERM')
  }
  signal.addEventListener('abort', stop)
  const [exitCode] = await once(child, 'exit')
  signal.removeEventListener('abort', stop)
  return typeof exitCode === 'number' ? exitCode : 1
}
