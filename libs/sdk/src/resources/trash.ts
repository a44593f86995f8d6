import type { TrashedMachine, UndeleteRequest } from '@purlin/schema'
import type { CallOptions, MutationOptions } from '../connect/call.ts'
import { carryOut, startTask } from '../connect/operation.ts'
import type { Transport } from '../connect/transport.ts'
import type { TaskHandle } from '../tasks/task-handle.ts'

/** Machines that were deleted, by the name they had (the last one of it) or by their uid. */
export interface Trash {
  list(options?: CallOptions): Promise<readonly TrashedMachine[]>
  /** Brings a machine back, stopped: the same identity, MACs and addresses. Errors:
   *  PUR_RESOURCE_MISSING, PUR_TRASH_DIFFERS with all that is gone or another's. */
  restore(machine: string, options?: UndeleteRequest & MutationOptions): Promise<TaskHandle>
  /** Forgets a machine at once. Errors: PUR_RESOURCE_MISSING. */
  forget(machine: string, options?: MutationOptions): Promise<void>
}

/** The trash behind `transport`. */
export function trashOf(transport: Transport): Trash {
  return {
    list: async (options) => (await carryOut(transport, 'listTrash', { options })).items,
    restore: (uid, { newAddresses, ...options } = {}) =>
      startTask(transport, 'undeleteMachine', {
        parts: { uid },
        body: { ...(newAddresses && { newAddresses }) },
        options,
      }),
    forget: async (uid, options) => {
      await carryOut(transport, 'forgetTrash', { parts: { uid }, options })
    },
  }
}
