/** Runs a command inside a fresh private host and gives its exit code:
 *  `node tools/sandbox/in-host.ts [--folder FOLDER] -- COMMAND ARGUMENT...` */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { PurlinError } from '@purlin/base'
import { PrivateHost } from './host.ts'

/** At these the host ends, and the command with it. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** The exit code of `command` run in a host that lives as long as the command; its streams are this
 *  process's. */
export async function runInHost(command: readonly string[], folder: string): Promise<number> {
  const host = await PrivateHost.start({ name: 'test-host' })
  const stop = (): void => void host.end()
  for (const signal of SIGNALS) process.once(signal, stop)
  try {
    // nsenter opens the host's root folder and stands there; env goes where the command belongs.
    const [program, ...args] = host.enter(['env', '--chdir', folder, ...command])
    const child = spawn(program, args, { stdio: 'inherit' })
    const [exitCode] = await once(child, 'exit')
    return typeof exitCode === 'number' ? exitCode : 1
  } finally {
    for (const signal of SIGNALS) process.off(signal, stop)
    await host.end()
  }
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    options: { folder: { type: 'string', default: process.cwd() } },
    allowPositionals: true,
  })
  try {
    process.exitCode = await runInHost(positionals, values.folder)
  } catch (thrown) {
    if (!(thrown instanceof PurlinError)) throw thrown
    process.stderr.write(`purlin: ${thrown.message}\n`)
    process.exitCode = 1
  }
}
