import type { PowerState } from './power-state.ts'

/** What a machine should be doing. */
export const WANTED_POWERS = ['running', 'stopped', 'paused', 'suspended'] as const
export type WantedPower = (typeof WANTED_POWERS)[number]

/** What is done next to a machine that is not as it should be; `wait`: the guest is at it, and an
 *  event of libvirt tells what came of it. `shut-down`: ask the guest, take its power when it does
 *  not listen in time. */
export type PowerAct =
  | 'none'
  | 'wait'
  | 'start'
  | 'start-paused'
  | 'restore'
  | 'restore-paused'
  | 'resume'
  | 'wake'
  | 'pause'
  | 'save'
  | 'discard'
  | 'shut-down'
  | 'destroy'

/** For what is wanted and what is seen: what is done next. Repeating it from what is seen then
 *  leads to what is wanted, or to a state in which nothing of it is left to do: a machine that is
 *  off has no memory to save. A guest that stands still or sleeps cannot hear, so it is not asked
 *  to power off. A domain that is kept after a crash leaves before it can start anew. */
export const powerActs: Readonly<
  Record<WantedPower, Readonly<Record<Exclude<PowerState, 'absent'>, PowerAct>>>
> = {
  running: {
    stopped: 'start',
    suspended: 'restore',
    running: 'none',
    paused: 'resume',
    stopping: 'wait',
    sleeping: 'wake',
    crashed: 'destroy',
  },
  stopped: {
    stopped: 'none',
    suspended: 'discard',
    running: 'shut-down',
    paused: 'destroy',
    stopping: 'shut-down',
    sleeping: 'destroy',
    crashed: 'destroy',
  },
  paused: {
    stopped: 'start-paused',
    suspended: 'restore-paused',
    running: 'pause',
    paused: 'none',
    stopping: 'wait',
    sleeping: 'wake',
    crashed: 'destroy',
  },
  suspended: {
    stopped: 'none',
    suspended: 'none',
    running: 'save',
    paused: 'save',
    stopping: 'wait',
    sleeping: 'wake',
    crashed: 'destroy',
  },
}

/** Whether a machine is as it should be. One that is wanted suspended and is off has nothing to
 *  keep. */
export function isAsWanted(wanted: WantedPower, state: PowerState): boolean {
  return state !== 'absent' && powerActs[wanted][state] === 'none'
}
