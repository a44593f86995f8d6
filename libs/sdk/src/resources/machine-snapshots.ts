import type { MachineRevertRequest, MachineSnapshotRequest } from '@purlin/schema'
import type { MutationOptions } from '../connect/call.ts'
import { startTask } from '../connect/operation.ts'
import type { Transport } from '../connect/transport.ts'
import type { TaskHandle } from '../tasks/task-handle.ts'
import { collectionOf, type ReadCollection } from './collection.ts'

/** How a snapshot of a machine is to be taken. */
export type TakeOptions = Omit<MachineSnapshotRequest, 'name'> & MutationOptions

/** Snapshots of machines: all disks of one instant, and the memory where it was asked for. */
export interface MachineSnapshots extends ReadCollection<'MachineSnapshot'> {
  /** Keeps a machine as it is. The task may fail with PUR_SNAPSHOT_CUT_OFF or PUR_SNAPSHOT_MOVED;
   *  nothing is left then. Errors: PUR_RESOURCE_MISSING, PUR_SNAPSHOT_STATE, PUR_VIRT_POWER,
   *  PUR_INVALID. */
  take(machine: string, name: string, options?: TakeOptions): Promise<TaskHandle>
  /** Makes a stopped machine what it was; with its memory it runs again where it was. Errors:
   *  PUR_RESOURCE_MISSING, PUR_SNAPSHOT_DIFFERS, PUR_SNAPSHOT_STATE, PUR_VIRT_POWER. */
  revert(name: string, options?: MachineRevertRequest & MutationOptions): Promise<TaskHandle>
  /** Forgets a snapshot; the machine's disks stay as they are. Errors: PUR_RESOURCE_MISSING,
   *  PUR_SNAPSHOT_STATE. */
  delete(name: string, options?: MutationOptions): Promise<TaskHandle>
}

/** The snapshots of machines behind `transport`. */
export function machineSnapshotsOf(transport: Transport): MachineSnapshots {
  const { get, list } = collectionOf(transport, 'MachineSnapshot')
  return {
    get,
    list,
    take: (machine, name, { memory, freeze, ...options } = {}) =>
      startTask(transport, 'createMachineSnapshot', {
        parts: { name: machine },
        body: { name, ...(memory && { memory }), ...(freeze && { freeze }) },
        options,
      }),
    revert: (name, { withoutMemory, ...options } = {}) =>
      startTask(transport, 'revertMachineSnapshot', {
        parts: { name },
        body: { ...(withoutMemory && { withoutMemory }) },
        options,
      }),
    delete: (name, options) =>
      startTask(transport, 'deleteMachineSnapshot', { parts: { name }, options }),
  }
}
