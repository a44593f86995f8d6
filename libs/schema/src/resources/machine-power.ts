import { type EventOf, type StateOf, stateTable } from '@purlin/base'

/** What can be asked of a machine in each state that is seen of it, and what it then should be.
 *  `absent`: its host has not defined it yet. `suspended`: off, with its memory on the disk.
 *  `sleeping`: the guest put itself to sleep. `crashed`: the guest is dead. A guest that stands
 *  still hears no request to reboot, so that it can only be reset. */
export const machineVerbs = stateTable({
  absent: {},
  stopped: { start: 'running' },
  suspended: { resume: 'running', stop: 'stopped', destroy: 'stopped' },
  running: {
    stop: 'stopped',
    destroy: 'stopped',
    reboot: 'running',
    reset: 'running',
    pause: 'paused',
    suspend: 'suspended',
  },
  paused: {
    resume: 'running',
    stop: 'stopped',
    destroy: 'stopped',
    reset: 'paused',
    suspend: 'suspended',
  },
  stopping: { stop: 'stopped', destroy: 'stopped' },
  sleeping: { resume: 'running', stop: 'stopped', destroy: 'stopped', reset: 'running' },
  crashed: { stop: 'stopped', destroy: 'stopped' },
})
type MachineVerbRows = (typeof machineVerbs)['rows']

/** What is seen of a machine. */
export type MachinePower = StateOf<MachineVerbRows>
/** What can be asked of a machine. */
export type MachineVerb = EventOf<MachineVerbRows>
/** What can be asked of a machine in that state. */
export type MachineVerbIn<Power extends MachinePower> = keyof MachineVerbRows[Power] & string

/** What a machine can be wanted to be. */
export const wantedPowers = ['running', 'stopped', 'paused', 'suspended'] as const

/** How long a guest may take to power off, or to reboot, before its power is taken or it is reset,
 *  where nobody says otherwise. */
export const DEFAULT_GRACE_SECONDS = 20
/** Nobody waits longer for a guest. */
export const LONGEST_GRACE_SECONDS = 3_600
