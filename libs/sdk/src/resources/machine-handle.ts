import {
  type MachinePower,
  type MachineVerb,
  type MachineVerbIn,
  machineVerbs,
  type Resource,
} from '@purlin/schema'
import type { CallOptions, MutationOptions } from '../connect/call.ts'
import { type OperationInput, startTask, type TaskOperation } from '../connect/operation.ts'
import type { Transport } from '../connect/transport.ts'
import type { TaskHandle } from '../tasks/task-handle.ts'
import { type ConsoleCalls, openConsole, openSerial } from './consoles.ts'

/** How long a guest may take before its power is taken, or it is reset: 0 to 3600; 0: it is not
 *  asked. */
export type GraceOptions = MutationOptions & { readonly graceSeconds?: number }

/** What can be asked of a machine. Errors of all: PUR_RESOURCE_MISSING, and PUR_VIRT_POWER where it
 *  is not possible in the state that the machine is in by then. */
export interface MachineCalls {
  /** Wants it running. */
  start(options?: MutationOptions): Promise<TaskHandle>
  /** Wants it stopped; a grace that is given becomes part of the spec. */
  stop(options?: GraceOptions): Promise<TaskHandle>
  /** Wants it stopped, and takes its power at once. */
  destroy(options?: MutationOptions): Promise<TaskHandle>
  /** Starts its guest anew, once; the task may fail with PUR_VIRT_UNCERTAIN. */
  reboot(options?: GraceOptions): Promise<TaskHandle>
  /** Resets it as by its button, once; the task may fail with PUR_VIRT_UNCERTAIN. */
  reset(options?: MutationOptions): Promise<TaskHandle>
  /** Wants it to stand still. */
  pause(options?: MutationOptions): Promise<TaskHandle>
  /** Wants it running again after a pause, a suspend, or its own sleep. */
  resume(options?: MutationOptions): Promise<TaskHandle>
  /** Wants it off with its memory on the disk. */
  suspend(options?: MutationOptions): Promise<TaskHandle>
}

/** While it has power there is something to look at. */
const POWERS_WITH_CONSOLE = ['running', 'paused', 'stopping', 'sleeping', 'crashed'] as const
type PowerWithConsole = (typeof POWERS_WITH_CONSOLE)[number]

/** A machine that was seen in one state: it has the calls that are possible there, and no other. */
export type MachineIn<Power extends MachinePower> = (Power extends PowerWithConsole
  ? ConsoleCalls
  : unknown) & {
  readonly name: string
  /** What was seen when the handle was made. */
  readonly power: Power
  readonly resource: Resource<'VirtualMachine'>
  /** Looks again. Errors: PUR_RESOURCE_MISSING. */
  refresh(options?: CallOptions): Promise<Machine>
} & Pick<MachineCalls, MachineVerbIn<Power> & MachineVerb>

/** A machine in any state; `power` tells which, and so what can be asked of it. */
export type Machine = { [Power in MachinePower]: MachineIn<Power> }[MachinePower]

const OPERATIONS = {
  start: 'startMachine',
  stop: 'stopMachine',
  destroy: 'destroyMachine',
  reboot: 'rebootMachine',
  reset: 'resetMachine',
  pause: 'pauseMachine',
  resume: 'resumeMachine',
  suspend: 'suspendMachine',
} as const satisfies Record<MachineVerb, TaskOperation>

/** Asks something of a machine by its name. */
export async function askMachine(
  transport: Transport,
  verb: MachineVerb,
  name: string,
  { graceSeconds, ...options }: GraceOptions = {},
): Promise<TaskHandle> {
  const input: OperationInput<(typeof OPERATIONS)[MachineVerb]> = {
    parts: { name },
    ...(graceSeconds !== undefined && { query: { graceSeconds } }),
    options,
  }
  return await startTask(transport, OPERATIONS[verb], input)
}

/** The handle of a machine as it was read. */
export function machineHandle(
  transport: Transport,
  resource: Resource<'VirtualMachine'>,
  refresh: (options?: CallOptions) => Promise<Machine>,
): Machine {
  const { name } = resource
  const power = powerOf(resource)
  const calls = Object.keys(machineVerbs.rows[power]).map((verb) => [
    verb,
    (options?: GraceOptions) => askMachine(transport, verb as MachineVerb, name, options),
  ])
  const consoles: ConsoleCalls = {
    console: (options) => openSerial(transport, name, options),
    screen: (options) => openConsole(transport, name, { kind: 'vnc' }, options),
  }
  const hasConsole = POWERS_WITH_CONSOLE.some((one) => one === power)
  const offered = { ...Object.fromEntries(calls), ...(hasConsole && consoles) }
  return { name, power, resource, refresh, ...offered } as Machine
}

/** A state that this client does not know offers nothing, as a machine that is not there does. */
function powerOf({ status }: Resource<'VirtualMachine'>): MachinePower {
  const { powerState } = status as { readonly powerState?: unknown }
  return machineVerbs.states.find((one) => one === powerState) ?? 'absent'
}
