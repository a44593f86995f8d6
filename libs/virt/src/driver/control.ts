import { type Clock, PurlinError } from '@purlin/base'
import { awaitPower } from '../machine/await-power.ts'
import { type RebootOptions, rebootMachine } from '../machine/reboot.ts'
import type { LibvirtPort } from '../port/libvirt-port.ts'
import { findOwn } from './find-own.ts'

/** A machine by its name and the identity of this very one. */
export interface OwnMachine {
  readonly name: string
  readonly uuid: string
}

/** What is done to a machine once, beside the lane that brings it to what it should be. A domain
 *  that is not Purlin's, or that was made anew under the name, is not touched. */
export interface MachineControl {
  /** As `rebootMachine`. Errors: PUR_VIRT_NAME_TAKEN, PUR_VIRT_NO_DOMAIN, PUR_VIRT_POWER where the
   *  machine is off, and those of `rebootMachine`. */
  reboot(machine: OwnMachine, options: RebootOptions): Promise<'by-guest' | 'by-reset'>
  /** Resolves when the machine runs. Errors: PUR_DEADLINE_PASSED. */
  awaitRunning(machine: OwnMachine, deadlineMs: number, signal: AbortSignal): Promise<void>
  /** Takes the power away at once; one that is off stays off. Errors: PUR_VIRT_NAME_TAKEN and those
   *  of LibvirtPort. */
  destroy(machine: OwnMachine, signal: AbortSignal): Promise<void>
}

const CALL_DEADLINE_MS = 30_000

/** Makes the control of one host's machines. */
export function createMachineControl(options: {
  readonly libvirt: LibvirtPort
  readonly clock: Clock
}): MachineControl {
  const { libvirt, clock } = options
  /** Whether the machine is active. */
  const find = async ({ name, uuid }: OwnMachine, signal: AbortSignal): Promise<boolean> => {
    const found = await findOwn(libvirt, name, { deadlineMs: CALL_DEADLINE_MS, signal })
    if (found?.uuid === uuid) return found.active
    const message = `machine ${name}: its host has not defined it; look at its conditions`
    throw new PurlinError('PUR_VIRT_NO_DOMAIN', { message, context: { machine: name } })
  }
  return {
    reboot: async (machine, reboot) => {
      if (await find(machine, reboot.signal)) {
        return await rebootMachine(libvirt, clock, machine.name, reboot)
      }
      const message = `machine ${machine.name} is off, so that there is no guest to start anew; start it`
      throw new PurlinError('PUR_VIRT_POWER', { message, context: { machine: machine.name } })
    },
    awaitRunning: async ({ name }, deadlineMs, signal) => {
      await awaitPower(libvirt, clock, name, ['running'], { deadlineMs, signal })
    },
    destroy: async (machine, signal) => {
      if (!(await find(machine, signal))) return
      try {
        await libvirt.destroy(machine.name, { deadlineMs: CALL_DEADLINE_MS, signal })
      } catch (thrown) {
        // It went off meanwhile.
        if (!(thrown instanceof PurlinError && thrown.code === 'PUR_VIRT_REFUSED')) throw thrown
      }
    },
  }
}
