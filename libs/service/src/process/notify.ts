import type { Run } from '@purlin/base'

/** What systemd is told (sd_notify(3)); does nothing where systemd does not listen. */
export interface ServiceNotifier {
  ready(status: string): Promise<void>
  stopping(): Promise<void>
  /** Tells the watchdog at half its interval that the event loop turns; a lane that is stuck is no
   *  reason to restart the agent. */
  watch(signal: AbortSignal): void
}

const NOTIFY_DEADLINE_MS = 5_000

/** Speaks through systemd-notify, since Node has no datagram sockets of the unix kind. */
export function openNotifier(run: Run, environment: NodeJS.ProcessEnv): ServiceNotifier {
  const listens = environment.NOTIFY_SOCKET !== undefined
  const tell = async (...words: string[]): Promise<void> => {
    if (!listens) return
    await run('systemd-notify', words, { timeoutMs: NOTIFY_DEADLINE_MS }).catch(() => undefined)
  }
  return {
    ready: (status) => tell('--ready', `--status=${status}`, `--pid=${process.pid}`),
    stopping: () => tell('--stopping'),
    watch(signal) {
      const intervalMs = Number(environment.WATCHDOG_USEC ?? 0) / 2_000
      if (!listens || !(intervalMs > 0)) return
      const timer = setInterval(() => void tell('WATCHDOG=1'), intervalMs)
      signal.addEventListener('abort', () => clearInterval(timer), { once: true })
    },
  }
}
