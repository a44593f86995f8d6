import { stateTable } from '@purlin/base'
import type { LifecycleEvent } from '../port/event.ts'

/** What a machine is doing. `absent`: no domain. `suspended`: off, its memory on the host's disk.
 *  `stopping`: the guest is powering off. `sleeping`: the guest put itself to sleep. `crashed`: the
 *  guest is dead and its domain kept for a look. */
export type PowerState =
  | 'absent'
  | 'stopped'
  | 'suspended'
  | 'running'
  | 'paused'
  | 'stopping'
  | 'sleeping'
  | 'crashed'

/** libvirt's events, and the one that tells an end with saved memory from other ends. */
export type PowerEvent = LifecycleEvent | 'saved'

/** virDomainEventStoppedDetailType: the memory was saved. */
const STOPPED_SAVED = 4

/** How libvirt's events move a persistent domain. libvirt may say `resumed` before `started`,
 *  repeats itself, and a definition may change or go in any state without touching what runs.
 *
 *  ```text
 *            defined            started             suspended
 *   absent ----------> stopped ----------> running -----------> paused
 *          <----------         <---------- | ^ ^  <-----------
 *           undefined           stopped    | | |     resumed
 *                                 ^        | | +--- started --- sleeping
 *                                 |        | +----- started --- crashed
 *                                 +------- stopping (shutdown)
 *  ```
 *  `saved` leads from every active state to `suspended`, and a start from there back; that saved
 *  memory was thrown away has no event, so that it shows with the next reading alone.
 *  Source: libvirt, virDomainEventType and the details of each. */
export const powerStates = stateTable({
  absent: { defined: 'stopped', started: 'running', resumed: 'running' },
  stopped: {
    defined: 'stopped',
    undefined: 'absent',
    started: 'running',
    resumed: 'running',
    suspended: 'paused',
    stopped: 'stopped',
    saved: 'suspended',
  },
  suspended: {
    defined: 'suspended',
    undefined: 'absent',
    started: 'running',
    resumed: 'running',
    suspended: 'paused',
    stopped: 'suspended',
    saved: 'suspended',
  },
  running: {
    defined: 'running',
    undefined: 'running',
    started: 'running',
    resumed: 'running',
    suspended: 'paused',
    shutdown: 'stopping',
    stopped: 'stopped',
    saved: 'suspended',
    sleeping: 'sleeping',
    crashed: 'crashed',
  },
  paused: {
    defined: 'paused',
    undefined: 'paused',
    started: 'paused',
    resumed: 'running',
    suspended: 'paused',
    shutdown: 'stopping',
    stopped: 'stopped',
    saved: 'suspended',
    crashed: 'crashed',
  },
  stopping: {
    defined: 'stopping',
    undefined: 'stopping',
    suspended: 'stopping',
    shutdown: 'stopping',
    stopped: 'stopped',
    saved: 'suspended',
    crashed: 'crashed',
    started: 'running',
    resumed: 'running',
  },
  sleeping: {
    defined: 'sleeping',
    undefined: 'sleeping',
    started: 'running',
    resumed: 'running',
    sleeping: 'sleeping',
    stopped: 'stopped',
    saved: 'suspended',
    crashed: 'crashed',
  },
  crashed: {
    defined: 'crashed',
    undefined: 'crashed',
    started: 'running',
    stopped: 'stopped',
    saved: 'suspended',
    crashed: 'crashed',
  },
})

/** The event by libvirt's name of it and its number of the reason. */
export function powerEventOf(event: LifecycleEvent, detail: number): PowerEvent {
  return event === 'stopped' && detail === STOPPED_SAVED ? 'saved' : event
}

/** The state after an event of libvirt; an event that is impossible there leaves it to a new
 *  reading. */
export function powerStateAfter(state: PowerState, event: PowerEvent): PowerState | 'unclear' {
  return powerStates.allows(state, event) ? powerStates.next(state, event) : 'unclear'
}

/** virDomainState by its number: none, running, blocked, paused, shutdown, off, crashed, asleep. */
const BY_NUMBER: readonly PowerState[] = [
  'stopped',
  'running',
  'running',
  'paused',
  'stopping',
  'stopped',
  'crashed',
  'sleeping',
]

/** The power state of libvirt's number; an unknown number of an existing domain counts as running,
 *  so that nothing is started twice. */
export function readPowerState(virDomainState: number): PowerState {
  return BY_NUMBER[virDomainState] ?? 'running'
}

/** The power state of a domain: one that is off may have its memory on the disk. */
export function powerStateOf(record: {
  readonly state: number
  readonly managedSave: boolean
}): PowerState {
  const state = readPowerState(record.state)
  return state === 'stopped' && record.managedSave ? 'suspended' : state
}

/** Whether a process of the machine exists, so that its NICs are plugged in. */
export function isActive(state: PowerState): boolean {
  return state !== 'absent' && state !== 'stopped' && state !== 'suspended'
}
