import type {
  AdoptionPlan,
  AdoptionRequest,
  ExecAnswer,
  ExecRequest,
  ForeignMachines,
  MachineVerb,
} from '@purlin/schema'
import type { CallOptions, MutationOptions, RevisionOptions } from '../connect/call.ts'
import { carryOut, startTask } from '../connect/operation.ts'
import type { Transport } from '../connect/transport.ts'
import type { TaskHandle } from '../tasks/task-handle.ts'
import { type Collection, collectionOf } from './collection.ts'
import { type MachineConsole, openConsole, openSerial, type SerialOptions } from './consoles.ts'
import { type Guests, guestsOf } from './guests.ts'
import {
  askMachine,
  type GraceOptions,
  type Machine,
  type MachineCalls,
  machineHandle,
} from './machine-handle.ts'
import { type Trash, trashOf } from './trash.ts'

/** What a command in a guest may be given beside its arguments. */
export type ExecOptions = Omit<ExecRequest, 'command'> & MutationOptions

/** What can be asked of a machine, by its name, whatever state it is in. */
type MachinesByName = {
  readonly [Verb in MachineVerb]: (
    name: string,
    ...options: Parameters<MachineCalls[Verb]>
  ) => Promise<TaskHandle>
}

/** Virtual machines, with what can be asked of a single one. */
export interface VirtualMachines extends Collection<'VirtualMachine'>, MachinesByName {
  /** A machine with the calls that are possible in the state it is in: `power` tells which. Errors:
   *  PUR_RESOURCE_MISSING. */
  open(name: string, options?: CallOptions): Promise<Machine>
  /** Gives a NIC one more security group, at `priority` (0 to n) or behind the others.
   *  Errors: PUR_RESOURCE_MISSING, PUR_INVALID, PUR_SG_PRIORITY_GAP, PUR_RESOURCE_REVISION. */
  attachGroup(
    name: string,
    nic: string,
    group: string,
    options?: RevisionOptions & { readonly priority?: number },
  ): Promise<TaskHandle>
  /** Takes a security group from a NIC. Errors: as `attachGroup`. */
  detachGroup(
    name: string,
    nic: string,
    group: string,
    options?: RevisionOptions,
  ): Promise<TaskHandle>
  /** Puts the groups of a NIC into another order: the same ones, each once. Errors: as
   *  `attachGroup`. */
  reorderGroups(
    name: string,
    nic: string,
    groups: readonly string[],
    options?: RevisionOptions,
  ): Promise<TaskHandle>
  /** Domains of libvirt that are not Purlin's: shown, and never touched. */
  foreign(options?: CallOptions): Promise<ForeignMachines['items']>
  /** The machine that such a domain would be, and what stands against it. Errors:
   *  PUR_VIRT_NO_DOMAIN. */
  planAdoption(
    name: string,
    request?: AdoptionRequest,
    options?: CallOptions,
  ): Promise<AdoptionPlan>
  /** Takes such a domain in as a machine; it runs on as it is. Errors: PUR_VIRT_NOT_ADOPTABLE with
   *  every obstacle, PUR_VIRT_NO_DOMAIN, and those of `apply`. */
  adopt(name: string, request?: AdoptionRequest, options?: MutationOptions): Promise<TaskHandle>
  /** As `console` of a machine. */
  console(name: string, options?: SerialOptions): Promise<MachineConsole>
  /** As `screen` of a machine. */
  screen(name: string, options?: MutationOptions): Promise<MachineConsole>
  /** Machines that were deleted and may come back. */
  readonly trash: Trash
  /** What the agents in the machines' guests do beside running commands. */
  readonly guest: Guests
  /** Runs `command` (an argument array, no shell) in the guest through its agent. A command that
   *  ends with another code than 0 is an answer, no error. It is sent once unless `attempts` says
   *  more: an answer that was lost does not tell whether the command ran. Errors:
   *  PUR_VIRT_AGENT_UNRESPONSIVE. */
  exec(name: string, command: readonly string[], options?: ExecOptions): Promise<ExecAnswer>
}

const DEFAULT_EXEC_TIMEOUT_MS = 60_000
/** What the agent needs beside the command itself. */
const EXEC_MARGIN_MS = 10_000

/** The virtual machines behind `transport`. */
export function virtualMachinesOf(transport: Transport): VirtualMachines {
  const machines = collectionOf(transport, 'VirtualMachine')
  const open: VirtualMachines['open'] = async (name, options) =>
    machineHandle(transport, await machines.get(name, options), (again) => open(name, again))
  const ask =
    (verb: MachineVerb) =>
    (name: string, options?: GraceOptions): Promise<TaskHandle> =>
      askMachine(transport, verb, name, options)
  return {
    ...machines,
    open,
    start: ask('start'),
    stop: ask('stop'),
    destroy: ask('destroy'),
    reboot: ask('reboot'),
    reset: ask('reset'),
    pause: ask('pause'),
    resume: ask('resume'),
    suspend: ask('suspend'),
    console: (name, options) => openSerial(transport, name, options),
    screen: (name, options) => openConsole(transport, name, { kind: 'vnc' }, options),
    trash: trashOf(transport),
    guest: guestsOf(transport),
    foreign: async (options) =>
      (await carryOut(transport, 'listForeignMachines', { options })).items,
    planAdoption: (name, body = {}, options) =>
      carryOut(transport, 'planAdoption', { parts: { name }, body, options }),
    adopt: (name, body = {}, options) =>
      startTask(transport, 'adoptMachine', { parts: { name }, body, options }),
    attachGroup: (name, nic, group, { priority, ...options } = {}) =>
      startTask(transport, 'attachGroup', {
        parts: { name, nic },
        body: { group, ...(priority !== undefined && { priority }) },
        options,
      }),
    detachGroup: (name, nic, group, options) =>
      startTask(transport, 'detachGroup', { parts: { name, nic, group }, options }),
    reorderGroups: (name, nic, groups, options) =>
      startTask(transport, 'reorderGroups', {
        parts: { name, nic },
        body: { groups: [...groups] },
        options,
      }),
    exec: (name, command, { input, timeoutMs, ...options } = {}) =>
      carryOut(transport, 'execMachine', {
        parts: { name },
        body: {
          command: [...command],
          ...(input !== undefined && { input }),
          ...(timeoutMs !== undefined && { timeoutMs }),
        },
        options: {
          attempts: 1,
          deadlineMs: (timeoutMs ?? DEFAULT_EXEC_TIMEOUT_MS) + EXEC_MARGIN_MS,
          ...options,
        },
      }),
  }
}
