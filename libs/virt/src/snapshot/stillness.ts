import { type Clock, PurlinError, toPurlinError } from '@purlin/base'
import type { OwnMachine } from '../driver/control.ts'
import { findOwn } from '../driver/find-own.ts'
import type { PowerState } from '../machine/power-state.ts'
import type { LibvirtEvent } from '../port/event.ts'
import type { LibvirtPort } from '../port/libvirt-port.ts'
import type { MachineHolds } from './holds.ts'
import { memorySnapshotXml } from './snapshot-xml.ts'

/** A machine that stands still: nothing of it changes until it is let go. */
export interface Stillness {
  /** What it did before. */
  readonly before: 'running' | 'paused' | 'stopped'
  /** Writes its memory to a file of the host, which is made anew. Errors: those of LibvirtPort. */
  saveMemory(file: string): Promise<void>
  /** Whether it has stood still all the time. Errors: those of LibvirtPort. */
  lasted(): Promise<boolean>
  /** Lets it go on as it was before. Where libvirt does not do it, the lane does, which is told.
   *  Never throws. */
  end(): Promise<void>
}

/** Has machines of one host stand still. */
export interface MachineStillness {
  /** Errors: PUR_VIRT_NO_DOMAIN, PUR_VIRT_NAME_TAKEN, PUR_VIRT_POWER where the machine neither
   *  runs nor stands still nor is off, and those of LibvirtPort; it is let go then. */
  begin(machine: OwnMachine, signal: AbortSignal): Promise<Stillness>
}

export interface StillnessGrounds {
  readonly libvirt: LibvirtPort
  readonly clock: Clock
  /** Of the lane of the same machines. */
  readonly holds: MachineHolds
}

const CALL_DEADLINE_MS = 15_000
/** A disk that writes 50 MiB a second is a slow one. */
const SAVE_DEADLINE_MS = 60_000
const SAVE_MS_PER_MIB = 20
const RESUME_ATTEMPTS = 3
const RESUME_AGAIN_MS = 500

/** Makes what has machines stand still. */
export function createStillness(grounds: StillnessGrounds): MachineStillness {
  return {
    begin: async (machine, signal) => {
      const release = grounds.holds.take(machine.name)
      try {
        return await begin(grounds, machine, release, signal)
      } catch (thrown) {
        // A pause whose answer was lost may have taken place: the lane looks and lets it go on.
        release()
        throw thrown
      }
    },
  }
}

async function begin(
  { libvirt, clock }: StillnessGrounds,
  { name, uuid }: OwnMachine,
  release: () => void,
  signal: AbortSignal,
): Promise<Stillness> {
  const call = { deadlineMs: CALL_DEADLINE_MS, signal }
  const found = await findOwn(libvirt, name, call)
  if (found?.uuid !== uuid) {
    const message = `machine ${name}: its host has not defined it; look at its conditions`
    throw new PurlinError('PUR_VIRT_NO_DOMAIN', { message, context: { machine: name } })
  }
  const before = beforeOf(name, found.state)
  const moves = new Moves(libvirt, name, before === 'running')
  const end = async (): Promise<void> => {
    moves.end()
    if (before === 'running') await resume(libvirt, clock, name)
    release()
  }
  try {
    if (before === 'running') await libvirt.suspend(name, call)
    const { id } = await libvirt.domain(name, call)
    return {
      before,
      end,
      saveMemory: async (file) => {
        const targets = (found.live?.disks ?? []).map(({ target }) => target)
        const deadlineMs = SAVE_DEADLINE_MS + found.defined.memoryMiB * SAVE_MS_PER_MIB
        await libvirt.snapshot(name, memorySnapshotXml(file, targets), { deadlineMs, signal })
      },
      lasted: async () => {
        const now = await findOwn(libvirt, name, call)
        const again = await libvirt.domain(name, call)
        const still = before === 'stopped' ? now?.active === false : now?.state === 'paused'
        return still && again.id === id && !moves.seen
      },
    }
  } catch (thrown) {
    await end()
    throw thrown
  }
}

function beforeOf(machine: string, state: PowerState): Stillness['before'] {
  if (state === 'running' || state === 'paused' || state === 'stopped') return state
  const message = `machine ${machine} is ${state}; it can be kept while it runs, stands still or is off`
  throw new PurlinError('PUR_VIRT_POWER', { message, context: { machine, powerState: state } })
}

/** The process may be gone, or somebody else may have let it go on: the lane sees to the rest. */
async function resume(libvirt: LibvirtPort, clock: Clock, name: string): Promise<void> {
  for (let attempt = 1; attempt <= RESUME_ATTEMPTS; attempt++) {
    try {
      await libvirt.resume(name, { deadlineMs: CALL_DEADLINE_MS })
      return
    } catch (thrown) {
      const { code } = toPurlinError(thrown)
      if (code === 'PUR_VIRT_REFUSED' || code === 'PUR_VIRT_NO_DOMAIN') return
      await clock.sleep(RESUME_AGAIN_MS)
    }
  }
}

/** Whether a machine went on while it should stand still. Events come in their order, and may come
 *  late: where it was paused for this, those before the word of that are of another time. */
class Moves {
  readonly #stop: () => void
  #awaited: boolean
  seen = false

  constructor(libvirt: LibvirtPort, machine: string, awaitsPause: boolean) {
    this.#awaited = awaitsPause
    this.#stop = libvirt.onEvent((event) => this.#take(event, machine))
  }

  #take(event: LibvirtEvent, machine: string): void {
    if (event.kind === 'missed' || (event.kind === 'connection' && event.state === 'lost')) {
      this.seen = true
    }
    if (event.kind !== 'lifecycle' || event.domain !== machine) return
    if (event.event === 'suspended') this.#awaited = false
    else if (!this.#awaited && MOVING.has(event.event)) this.seen = true
  }

  end(): void {
    this.#stop()
  }
}

const MOVING: ReadonlySet<string> = new Set(['started', 'resumed', 'stopped', 'crashed'])
