import { connect, Socket } from 'node:net'
import { type Clock, PurlinError, withDeadline } from '@purlin/base'
import type { OwnMachine } from '../driver/control.ts'
import { findOwn } from '../driver/find-own.ts'
import type { ObservedMachine } from '../driver/types.ts'
import { awaitPower } from '../machine/await-power.ts'
import type { LibvirtPort } from '../port/libvirt-port.ts'

/** What a machine has for people: a line of text, and a screen. */
export type ConsoleKind = 'serial' | 'vnc'

/** The ways to the machines of one host that people look through. Each answers a socket that ends
 *  with the machine's QEMU; whoever asked for it destroys it. Errors of all: PUR_VIRT_NO_DOMAIN
 *  where this very machine is not here, PUR_VIRT_NAME_TAKEN, PUR_VIRT_POWER where it is off,
 *  PUR_CONSOLE_ABSENT where it was started without one, and those of LibvirtPort. */
export interface MachineConsoles {
  /** Sees that there is one, and connects to nothing. Answers the file that has what the guest
   *  wrote to its serial port. */
  look(kind: ConsoleKind, machine: OwnMachine, signal: AbortSignal): Promise<string>
  /** A socket of the serial port or of RFB with the screen. QEMU serves one a serial port: the next
   *  is connected and hears nothing until the first is gone. */
  open(kind: ConsoleKind, machine: OwnMachine, signal: AbortSignal): Promise<Socket>
  /** Why a socket of `open` ended: the machine is off, or its QEMU hung up and runs on. */
  whyEnded(name: string, signal: AbortSignal): Promise<'machine-off' | 'closed-by-machine'>
}

const CALL_DEADLINE_MS = 10_000
const CONNECT_DEADLINE_MS = 5_000

/** libvirt hears of the end of a QEMU a little later than its sockets. */
const OFF_WITHIN_MS = 3_000
const OFF = ['stopped', 'suspended', 'crashed', 'absent'] as const

/** Makes the ways to one host's machines. */
export function createMachineConsoles(options: {
  readonly libvirt: LibvirtPort
  readonly clock: Clock
}): MachineConsoles {
  const { libvirt, clock } = options
  const find = async (
    kind: ConsoleKind,
    { name, uuid }: OwnMachine,
    signal: AbortSignal,
  ): Promise<NonNullable<ObservedMachine['live']>> => {
    const found = await findOwn(libvirt, name, { deadlineMs: CALL_DEADLINE_MS, signal })
    const context = { machine: name }
    if (found?.uuid !== uuid) {
      const message = `machine ${name}: its host has not defined it; look at its conditions`
      throw new PurlinError('PUR_VIRT_NO_DOMAIN', { message, context })
    }
    const { live } = found
    if (live === undefined) {
      const message = `machine ${name} is ${found.state}, so that nothing writes to its console; start it`
      throw new PurlinError('PUR_VIRT_POWER', { message, context })
    }
    if (kind === 'serial' ? live.serialSocket !== '' : live.display) return live
    const what = kind === 'serial' ? 'console that can be written to' : 'screen'
    const message = `machine ${name} was started without a ${what}; see its spec, then stop and start it`
    throw new PurlinError('PUR_CONSOLE_ABSENT', { message, context })
  }
  return {
    look: async (kind, machine, signal) => (await find(kind, machine, signal)).serialLogFile,
    open: async (kind, machine, signal) => {
      const live = await find(kind, machine, signal)
      const call = { deadlineMs: CALL_DEADLINE_MS, signal }
      const socket =
        kind === 'serial'
          ? await connectTo(live.serialSocket, machine.name, signal)
          : new Socket({ fd: await libvirt.openGraphics(machine.name, call) })
      // An error is followed by the end, which is what its user waits for.
      return socket.on('error', () => undefined)
    },
    whyEnded: (name, signal) =>
      awaitPower(libvirt, clock, name, OFF, { deadlineMs: OFF_WITHIN_MS, signal }).then(
        () => 'machine-off',
        () => 'closed-by-machine',
      ),
  }
}

/** A process on this host takes a connection at once, or not at all. */
async function connectTo(path: string, name: string, outer: AbortSignal): Promise<Socket> {
  const socket = connect({ path })
  const connected = (): Promise<Socket> =>
    new Promise((resolve, reject) => {
      socket.once('connect', () => resolve(socket))
      socket.once('error', reject)
    })
  try {
    return await withDeadline(path, CONNECT_DEADLINE_MS, connected, outer)
  } catch (cause) {
    socket.destroy()
    const found = cause instanceof Error ? cause.message : String(cause)
    const message = `console of machine ${name}: its QEMU does not answer at ${path}: ${found}`
    throw new PurlinError('PUR_VIRT_UNREACHABLE', { message, cause })
  }
}
