import { type Clock, PurlinError, withDeadline } from '@purlin/base'
import type { LifecycleEvent } from '../port/event.ts'
import type { LibvirtPort } from '../port/libvirt-port.ts'
import { type PowerState, powerEventOf, powerStateAfter, powerStateOf } from './power-state.ts'

export interface AwaitPowerOptions {
  readonly deadlineMs: number
  readonly signal?: AbortSignal
}

/** Time of one reading while waiting. */
const READ_DEADLINE_MS = 5_000
/** Readings without an event, for events that were lost with a connection. */
const READ_EVERY_MS = 2_000

/** Resolves when the machine is in one of `wanted`. Follows libvirt's events from a reading made
 *  after subscribing, and reads again at long intervals, so neither a lost event nor an early one
 *  matters.
 *  Errors: PUR_DEADLINE_PASSED, PUR_CANCELLED. */
export async function awaitPower(
  libvirt: LibvirtPort,
  clock: Clock,
  name: string,
  wanted: readonly PowerState[],
  options: AwaitPowerOptions,
): Promise<PowerState> {
  const what = `waiting for machine ${name} to be ${wanted.join(' or ')}`
  const follow = async (signal: AbortSignal): Promise<PowerState> => {
    let state: PowerState | 'unclear' = 'unclear'
    let wake = Promise.withResolvers<void>()
    let events = 0
    const unsubscribe = libvirt.onEvent((event) => {
      const aboutUs = event.kind === 'lifecycle' && event.domain === name
      if (!aboutUs && event.kind !== 'connection' && event.kind !== 'missed') return
      const follows = aboutUs && state !== 'unclear'
      state = follows ? after(state as PowerState, event) : 'unclear'
      events += 1
      wake.resolve()
    })
    try {
      for (;;) {
        wake = Promise.withResolvers<void>()
        if (state === 'unclear') {
          const before = events
          state = await readState(libvirt, name, signal)
          // An event that came during the reading may be older or newer than what was read.
          if (events !== before) {
            state = 'unclear'
            continue
          }
        }
        if (state !== 'unclear' && wanted.includes(state)) return state
        if (!(await wokenWithin(clock, wake.promise, signal))) state = 'unclear'
      }
    } finally {
      unsubscribe()
    }
  }
  return await withDeadline(what, options.deadlineMs, follow, options.signal)
}

function after(
  state: PowerState,
  { event, detail }: { readonly event: LifecycleEvent; readonly detail: number },
): PowerState | 'unclear' {
  return powerStateAfter(state, powerEventOf(event, detail))
}

/** Whether `wake` came before the next reading is due. */
async function wokenWithin(
  clock: Clock,
  wake: Promise<void>,
  signal: AbortSignal,
): Promise<boolean> {
  const over = new AbortController()
  const due = clock.sleep(READ_EVERY_MS, AbortSignal.any([signal, over.signal]))
  try {
    return await Promise.race([wake.then(() => true), due.then(() => false)])
  } finally {
    over.abort()
  }
}

/** The state now; unclear while libvirt does not answer. */
async function readState(
  libvirt: LibvirtPort,
  name: string,
  signal: AbortSignal,
): Promise<PowerState | 'unclear'> {
  try {
    const record = await libvirt.domain(name, { deadlineMs: READ_DEADLINE_MS, signal })
    return powerStateOf(record)
  } catch (thrown) {
    if (!(thrown instanceof PurlinError)) throw thrown
    if (thrown.code === 'PUR_VIRT_NO_DOMAIN') return 'absent'
    if (thrown.code === 'PUR_VIRT_UNREACHABLE' || thrown.code === 'PUR_VIRT_TIMEOUT') {
      return 'unclear'
    }
    throw thrown
  }
}
