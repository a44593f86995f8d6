import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'

/** Starts a program that ends with this process, however that ends (PR_SET_PDEATHSIG); what it says
 *  goes to the end of `logFile`. */
export function spawnTied(
  program: string,
  args: readonly string[],
  logFile: string,
  environment: Readonly<Record<string, string>> = {},
): ChildProcess {
  const log = openSync(logFile, 'a', 0o600)
  try {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', program, ...args], {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...environment },
    })
    // A program that is not there ends with a code; without setpriv there is no child at all.
    return child.on('error', () => {})
  } finally {
    closeSync(log)
  }
}

/** Ends a process and waits until it is gone. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGKILL')
  await gone
}
