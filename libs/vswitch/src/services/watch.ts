import { readdir } from 'node:fs/promises'
import { type Clock, type Run, run as spawnRun } from '@purlin/base'
import { filesOf } from './folder.ts'
import { ServiceLife } from './life.ts'
import { readIdentity, stateOf } from './process.ts'
import { serviceFolder } from './service.ts'

const POLL_INTERVAL_MS = 1_000

/** Looks every second whether the processes of services and routers live, and tells when one that
 *  was written down does not run, until `signal`. Each end is told once: the tale starts again when
 *  the process is replaced. A look reads a few small files; now and then a service is asked a real
 *  question, and ended when it does not answer. */
export function watchServices(
  runFolder: string,
  clock: Clock,
  onChange: (reason: string) => void,
  signal: AbortSignal,
  run: Run = spawnRun,
): void {
  const told = new Set<string>()
  const tellOfEnd = async (what: string, file: string): Promise<void> => {
    const identity = await readIdentity(file)
    const key = `${file} ${identity?.processId} ${identity?.startTicks}`
    if (identity === undefined || stateOf(identity) === 'running' || told.has(key)) return
    told.add(key)
    onChange(`${what} does not run`)
  }
  const look = async (): Promise<void> => {
    for (const router of await readdir(`${runFolder}/routers`).catch(() => [])) {
      await tellOfEnd(`router ${router}`, `${runFolder}/routers/${router}/holder.json`)
    }
    for (const portGroup of await readdir(`${runFolder}/port-groups`).catch(() => [])) {
      const files = filesOf(serviceFolder(runFolder, portGroup))
      for (const [program, file] of [
        ['dnsmasq', files.dnsmasq],
        ['the namespace', files.holder],
      ] as const) {
        await tellOfEnd(`${program} of port group ${portGroup}`, file)
      }
    }
  }
  const life = new ServiceLife(runFolder, clock, run)
  const follow = async (every: () => Promise<void>): Promise<void> => {
    while (!signal.aborted) {
      await every()
      await clock.sleep(POLL_INTERVAL_MS, signal)
    }
  }
  follow(look).catch(() => {})
  follow(async () => {
    for (const found of await life.look(signal)) onChange(found)
  }).catch(() => {})
}
