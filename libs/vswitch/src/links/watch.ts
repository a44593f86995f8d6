import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Clock } from '@purlin/base'

const RESTART_PAUSE_MS = 1_000

/** Follows the kernel's link notifications and tells the names of the links that came, changed or
 *  went, until `signal`. The watching program is bound to this process by the kernel's parent-death
 *  signal, so that a kill -9 of the agent leaves none behind. When it ends it is started again, and
 *  `onLink` is told once without a name, because changes may have been missed. */
export function watchLinks(
  clock: Clock,
  onLink: (name: string | undefined) => void,
  signal: AbortSignal,
): void {
  const follow = (): Promise<void> =>
    new Promise((resolve) => {
      const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'ip', '-oneline', 'monitor', 'link'], {
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      const stop = (): void => {
        child.kill('SIGKILL')
      }
      signal.addEventListener('abort', stop, { once: true })
      createInterface({ input: child.stdout }).on('line', (line) => {
        const name = linkOfNotification(line)
        if (name !== undefined) onLink(name)
      })
      const over = (): void => {
        signal.removeEventListener('abort', stop)
        resolve()
      }
      child.once('error', over)
      child.once('close', over)
    })
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await follow()
      if (signal.aborted) return
      await clock.sleep(RESTART_PAUSE_MS, signal)
      onLink(undefined)
    }
  }
  run().catch(() => {})
}

/** The link that a line of `ip -oneline monitor link` is about. */
export function linkOfNotification(line: string): string | undefined {
  return /^(?:Deleted )?\d+: ([^:@\s]+)/.exec(line)?.[1]
}
