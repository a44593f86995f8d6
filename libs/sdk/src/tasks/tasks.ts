import type { Task } from '@purlin/schema'
import type { CallOptions, MutationOptions } from '../connect/call.ts'
import { carryOut } from '../connect/operation.ts'
import type { Transport } from '../connect/transport.ts'
import { TaskHandle } from './task-handle.ts'

/** The tasks of the agent. */
export interface Tasks {
  /** Newest first. */
  list(options?: CallOptions): Promise<readonly Task[]>
  /** Errors: PUR_TASK_MISSING. */
  get(id: string, options?: CallOptions): Promise<Task>
  /** A handle on a task that somebody started. Errors: PUR_TASK_MISSING. */
  handle(id: string, options?: CallOptions): Promise<TaskHandle>
  /** Errors: PUR_TASK_MISSING, PUR_TASK_ENDED. */
  cancel(id: string, options?: MutationOptions): Promise<Task>
}

/** The tasks behind `transport`. */
export function tasksOf(transport: Transport): Tasks {
  const get = (id: string, options?: CallOptions): Promise<Task> =>
    carryOut(transport, 'getTask', { parts: { id }, options })
  return {
    list: async (options) => (await carryOut(transport, 'listTasks', { options })).items,
    get,
    handle: async (id, options) => new TaskHandle(transport, await get(id, options)),
    cancel: (id, options) => carryOut(transport, 'cancelTask', { parts: { id }, options }),
  }
}
