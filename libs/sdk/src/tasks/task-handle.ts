import { PurlinError, withDeadline } from '@purlin/base'
import { operations, type Task, taskEnded } from '@purlin/schema'
import { fillPath, type MutationOptions } from '../connect/call.ts'
import { mutationHeaders } from '../connect/idempotency.ts'
import { errorOfProblem } from '../connect/problem.ts'
import type { Transport } from '../connect/transport.ts'

/** How far a task is. */
export type TaskProgress = Task['progress']

export interface WaitOptions {
  readonly signal?: AbortSignal
  /** Milliseconds until waiting is given up with PUR_DEADLINE_PASSED; the task itself goes on. */
  readonly deadlineMs?: number
  /** Called with each progress that differs from the one before. */
  readonly onProgress?: (progress: TaskProgress, task: Task) => void
}

const DEFAULT_WAIT_MS = 600_000
/** One question waits this long for an answer; asked again until the task ends. */
const POLL_WAIT_MS = 15_000
/** Long enough for an agent that restarts under the task. */
const POLL_ATTEMPTS = 15
const POLL_DEADLINE_MS = 60_000

/** Work that was asked for. Nothing of it depends on this handle: dropping it leaves the task
 *  alone. */
export class TaskHandle {
  readonly #transport: Transport
  #task: Task

  constructor(transport: Transport, task: Task) {
    this.#transport = transport
    this.#task = task
  }

  get id(): string {
    return this.#task.id
  }

  /** The task as it was last seen. */
  get task(): Task {
    return this.#task
  }

  /** Waits for the end and returns the task. Errors: the task's own problem where it failed,
   *  PUR_CANCELLED where it was cancelled or the signal was aborted, PUR_DEADLINE_PASSED; the first
   *  two carry `context.task`. */
  async wait({ signal, deadlineMs, onProgress }: WaitOptions = {}): Promise<Task> {
    return await withDeadline(
      `waiting for task ${this.id} (${this.#task.verb})`,
      deadlineMs ?? DEFAULT_WAIT_MS,
      async (inner) => {
        for await (const progress of this.#follow(inner)) onProgress?.(progress, this.#task)
        return this.#task
      },
      signal,
    )
  }

  /** Gives the task up and returns it. Errors: PUR_TASK_ENDED. */
  async cancel(options?: MutationOptions): Promise<Task> {
    const { method, path } = operations.cancelTask
    this.#task = (await this.#transport.json({
      method,
      path: fillPath(path, { id: this.id }),
      headers: mutationHeaders(this.#transport, options),
      options,
    })) as Task
    return this.#task
  }

  /** Each progress that differs from the one before, until the task ends. Errors: as `wait`. */
  [Symbol.asyncIterator](): AsyncGenerator<TaskProgress, void> {
    return this.#follow(undefined)
  }

  async *#follow(signal: AbortSignal | undefined): AsyncGenerator<TaskProgress, void> {
    let shown: TaskProgress | undefined
    for (;;) {
      const { progress } = this.#task
      if (shown === undefined || !sameProgress(shown, progress)) yield progress
      shown = progress
      if (taskEnded(this.#task)) break
      this.#task = await this.#ask(signal)
    }
    throwIfUnhappy(this.#task)
  }

  async #ask(signal: AbortSignal | undefined): Promise<Task> {
    const { method, path } = operations.getTask
    const answer = await this.#transport.json({
      method,
      path: fillPath(path, { id: this.id }),
      query: { waitMs: POLL_WAIT_MS },
      options: {
        deadlineMs: POLL_DEADLINE_MS,
        attempts: POLL_ATTEMPTS,
        ...(signal && { signal }),
      },
    })
    return answer as Task
  }
}

function throwIfUnhappy({ id, state, verb, problem }: Task): void {
  if (state === 'failed') throw errorOfProblem(problem, { task: id })
  if (state === 'cancelled') {
    throw new PurlinError('PUR_CANCELLED', {
      message: `task ${id} (${verb}) was cancelled`,
      context: { task: id },
    })
  }
}

function sameProgress(a: TaskProgress, b: TaskProgress): boolean {
  return a.done === b.done && a.total === b.total && a.text === b.text
}
