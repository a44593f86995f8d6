import type { ExecAnswer, ExecRequest } from '@purlin/schema'
import type { MutationOptions, RevisionOptions } from '../connect/call.ts'
import { carryOut, startTask } from '../connect/operation.ts'
import type { Transport } from '../connect/transport.ts'
import type { TaskHandle } from '../tasks/task-handle.ts'
import { type Collection, collectionOf } from './collection.ts'

/** What a command in a guest may be given beside its arguments. */
export type ExecOptions = Omit<ExecRequest, 'command'> & MutationOptions

/** Virtual machines, with what can be asked of a single one. */
export interface VirtualMachines extends Collection<'VirtualMachine'> {
  /** Wants the machine running. Errors: PUR_RESOURCE_MISSING. */
  start(name: string, options?: MutationOptions): Promise<TaskHandle>
  /** Wants the machine stopped. Errors: PUR_RESOURCE_MISSING. */
  stop(name: string, options?: MutationOptions): Promise<TaskHandle>
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
  return {
    ...collectionOf(transport, 'VirtualMachine'),
    start: (name, options) => startTask(transport, 'startMachine', { parts: { name }, options }),
    stop: (name, options) => startTask(transport, 'stopMachine', { parts: { name }, options }),
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
