import { readdir } from 'node:fs/promises'
import type { Clock } from '@purlin/base'
import { filesOf } from './folder.ts'
import { readIdentity, stateOf } from './process.ts'
import { serviceFolder } from './service.ts'

const POLL_INTERVAL_MS = 1_000

/** Looks every second whether the processes of the services live, and tells when one that was
 *  written down does not run, until `signal`. Each end is told once: the tale starts again when
 *  the process is replaced. It reads a few small files and spawns nothing. */
export function watchServices(
  runFolder: string,
  clock: Clock,
  onChange: (reason: string) => void,
  signal: AbortSignal,
): void {
  const told = new Set<string>()
  const look = async (): Promise<void> => {
    for (const portGroup of await readdir(`${runFolder}/port-groups`).catch(() => [])) {
      const files = filesOf(serviceFolder(runFolder, portGroup))
      for (const [program, file] of [
        ['dnsmasq', files.dnsmasq],
        ['the namespace', files.holder],
      ] as const) {
        const identity = await readIdentity(file)
        const key = `${file} ${identity?.processId} ${identity?.startTicks}`
        if (identity === undefined || stateOf(identity) === 'running' || told.has(key)) continue
        told.add(key)
        onChange(`${program} of port group ${portGroup} does not run`)
      }
    }
  }
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await look()
      await clock.sleep(POLL_INTERVAL_MS, signal)
    }
  }
  run().catch(() => {})
}
