import { type EndedRun, RESTARTS_MAX, type RestartPolicy } from './runs.ts'

/** Why a machine that should run, and is off, is not started now. `ended`: its policy lets it rest.
 *  `after-boot`: it is not started with its host. `pausing`: it is started after a pause.
 *  `gave-up`: it ended too often. */
export type Rest = 'none' | 'ended' | 'after-boot' | 'pausing' | 'gave-up'

/** What the policy of a machine makes of how its last run ended. A new generation of the resource
 *  is a new wish, and begins anew. Pure. */
export function restOf(
  machine: {
    readonly generation: number
    readonly restart?: RestartPolicy
    readonly autostart?: boolean
  },
  run: EndedRun | undefined,
): Rest {
  if (run === undefined || run.generation !== machine.generation) return 'none'
  if (run.ended === 'by-boot') return machine.autostart === false ? 'after-boot' : 'none'
  const { restart = 'always' } = machine
  if (restart === 'never' || (restart === 'onCrash' && run.ended === 'by-guest')) return 'ended'
  if (run.starts > RESTARTS_MAX) return 'gave-up'
  return run.dueInMs > 0 ? 'pausing' : 'none'
}
