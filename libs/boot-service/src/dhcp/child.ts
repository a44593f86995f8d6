import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { configurationArgument } from './former.ts'

const LAST_LINES = 8

/** A dnsmasq that this process started. */
export interface DhcpChild {
  readonly processId: number | undefined
  /** Undefined while it runs; then how it ended, in words. */
  ended(): string | undefined
  signal(signal: NodeJS.Signals): void
}

/** Starts dnsmasq in the foreground. It is not bound to this process's life: addresses go on being
 *  leased while a killed daemon is started again, and the new one replaces it. `onLine` sees every
 *  line of its log, `onEnd` is called once. */
export function startDhcpChild(
  configurationFile: string,
  onLine: (line: string) => void,
  onEnd: () => void,
): DhcpChild {
  const child: ChildProcess = spawn(
    'dnsmasq',
    ['--keep-in-foreground', configurationArgument(configurationFile)],
    {
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
      cwd: '/',
      // A service must not hold the daemon's secrets or its notification address.
      env: { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    },
  )
  const last: string[] = []
  let ending: string | undefined
  const end = (how: string): void => {
    if (ending !== undefined) return
    ending = `${how}${last.length === 0 ? '' : `: ${last.join(' | ')}`}`
    onEnd()
  }
  if (child.stderr !== null) {
    createInterface({ input: child.stderr }).on('line', (line) => {
      last.push(line.slice(0, 200))
      if (last.length > LAST_LINES) last.shift()
      onLine(line)
    })
  }
  child.once('error', (error) => end(`dnsmasq did not start (${error.message})`))
  // After its last words were read.
  child.once('close', (code, signal) =>
    end(signal === null ? `dnsmasq ended with ${code}` : `dnsmasq was ended by ${signal}`),
  )
  return {
    processId: child.pid,
    ended: () => ending,
    signal: (signal) => void child.kill(signal),
  }
}
