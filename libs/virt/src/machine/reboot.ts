import { type Clock, PurlinError, stateTable } from '@purlin/base'
import type { LibvirtEvent } from '../port/event.ts'
import type { LibvirtPort } from '../port/libvirt-port.ts'

/** How the wish for another start of a guest goes on. The guest is asked first; one that does not
 *  listen, or cannot be asked, is reset at the end of its grace, as by the button. Whether it was
 *  started anew is told by an event alone: where the connection to libvirt was lost meanwhile,
 *  nobody knows, and the guest is not reset, since it may have come up again just before.
 *
 *  ```text
 *   asked --- restarted ------------------> restarted
 *     |  `--- late or refused --> reset --- restarted --> restarted
 *     |                             |  `--- late -------> uncertain
 *     `--- gone: ended, lost: uncertain (from reset, too)
 *  ```
 */
export const rebootStates = stateTable({
  asked: {
    restarted: 'restarted',
    late: 'reset',
    refused: 'reset',
    gone: 'ended',
    lost: 'uncertain',
  },
  reset: {
    restarted: 'restarted',
    late: 'uncertain',
    refused: 'ended',
    gone: 'ended',
    lost: 'uncertain',
  },
})
export type RebootEvent = (typeof rebootStates)['events'][number]
export type RebootState = (typeof rebootStates)['states'][number]

export interface RebootOptions {
  /** How long the guest may take; 0: it is not asked and reset at once. */
  readonly graceMs: number
  readonly signal: AbortSignal
  /** Told of what is about to be done, before it is done. It may throw to stop that. */
  readonly onState?: (state: 'asked' | 'reset') => Promise<void>
}

/** Time of one call, and for the word that a reset machine has begun anew. */
const CALL_DEADLINE_MS = 15_000
const RESET_SEEN_MS = 15_000

/** Starts the guest of an active machine anew, once. Answers whether the guest did it by itself or
 *  was reset. Errors: PUR_VIRT_POWER where the machine went off meanwhile, PUR_VIRT_UNCERTAIN where
 *  it is not known whether the guest was started anew, and those of LibvirtPort. */
export async function rebootMachine(
  libvirt: LibvirtPort,
  clock: Clock,
  machine: string,
  options: RebootOptions,
): Promise<'by-guest' | 'by-reset'> {
  const seen = new RebootEvents(libvirt, machine)
  const call = { deadlineMs: CALL_DEADLINE_MS, signal: options.signal }
  try {
    let state: RebootState = options.graceMs > 0 ? 'asked' : 'reset'
    let byReset = false
    while (state === 'asked' || state === 'reset') {
      await options.onState?.(state)
      byReset = state === 'reset'
      const act = byReset ? libvirt.reset(machine, call) : libvirt.reboot(machine, call)
      const refused = await act.then(
        () => undefined,
        (thrown: unknown) => eventOfFailure(thrown),
      )
      const waitMs = byReset ? RESET_SEEN_MS : options.graceMs
      const event = refused ?? (await seen.next(clock, waitMs, options.signal))
      state = rebootStates.next(state, event)
    }
    if (state === 'restarted') return byReset ? 'by-reset' : 'by-guest'
    throw endOf(state, machine)
  } finally {
    seen.end()
  }
}

/** What an error of a call means; one that is no answer of libvirt leaves everything open. */
function eventOfFailure(thrown: unknown): RebootEvent {
  if (!(thrown instanceof PurlinError)) throw thrown
  if (thrown.code === 'PUR_VIRT_REFUSED') return 'refused'
  if (thrown.code === 'PUR_VIRT_NO_DOMAIN') return 'gone'
  if (thrown.code === 'PUR_VIRT_UNREACHABLE' || thrown.code === 'PUR_VIRT_TIMEOUT') return 'lost'
  throw thrown
}

function endOf(state: 'ended' | 'uncertain', machine: string): PurlinError {
  if (state === 'ended') {
    const message = `machine ${machine} went off before its guest was started anew; start it`
    return new PurlinError('PUR_VIRT_POWER', { message, context: { machine } })
  }
  return new PurlinError('PUR_VIRT_UNCERTAIN', {
    message: `machine ${machine} was asked to start its guest anew, and libvirt did not say whether it did; look at the guest, and ask again where it did not`,
    context: { machine },
  })
}

/** The first thing that happens to a machine from now on, as far as a reboot goes. */
class RebootEvents {
  readonly #stop: () => void
  #first: RebootEvent | undefined
  #wake = Promise.withResolvers<void>()

  constructor(libvirt: LibvirtPort, machine: string) {
    this.#stop = libvirt.onEvent((event) => {
      this.#first ??= rebootEventOf(event, machine)
      if (this.#first !== undefined) this.#wake.resolve()
    })
  }

  /** `late` where nothing happens in time. */
  async next(clock: Clock, waitMs: number, signal: AbortSignal): Promise<RebootEvent> {
    const over = new AbortController()
    const until = AbortSignal.any([signal, over.signal])
    try {
      await Promise.race([this.#wake.promise, clock.sleep(waitMs, until)])
      return this.#first ?? 'late'
    } finally {
      over.abort()
    }
  }

  end(): void {
    this.#stop()
  }
}

function rebootEventOf(event: LibvirtEvent, machine: string): RebootEvent | undefined {
  switch (event.kind) {
    case 'reboot':
      return event.domain === machine ? 'restarted' : undefined
    case 'lifecycle':
      return event.domain === machine && event.event === 'stopped' ? 'gone' : undefined
    case 'missed':
      return 'lost'
    case 'connection':
      return event.state === 'lost' ? 'lost' : undefined
    default:
      return undefined
  }
}
