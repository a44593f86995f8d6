import { type Clock, newIdentifier, PurlinError } from '@purlin/base'
import { type Task, taskEnded, taskStates } from '@purlin/schema'
import type { Store, StoreEntry, Write } from './store.ts'

/** What is known of a task when it is made. */
export interface TaskExtra {
  readonly progress?: Partial<Task['progress']>
  readonly result?: unknown
}

/** What changes in a task. A new state must be the next one of `taskStates`. */
export interface TaskPatch {
  readonly state?: Task['state']
  readonly progress?: Partial<Task['progress']>
  readonly problem?: Task['problem']
  readonly result?: unknown
}

/** Tasks in the store: `/task/<id>`. */
export interface TaskLog {
  /** A queued task and the write that stores it, for a transaction that also makes what the task is
   *  about. */
  prepare(
    verb: string,
    targets: Task['targets'],
    extra?: TaskExtra,
  ): { readonly task: Task; readonly write: Write }
  /** Stores a new queued task. */
  create(verb: string, targets: Task['targets'], extra?: TaskExtra): Promise<Task>
  /** Changes a task; its end sets `endedAtMs`. Errors: PUR_TASK_MISSING, PUR_TASK_ENDED,
   *  PUR_STATE_ILLEGAL. */
  update(id: string, patch: TaskPatch): Promise<Task>
  /** Errors: PUR_TASK_MISSING. */
  get(id: string): Promise<Task>
  /** Every task kept, newest first. */
  list(): Promise<readonly Task[]>
  /** The task when it has ended, when it next changes, or after `waitMs`, whichever is first. Ends
   *  at once with the task as it is when the signal is aborted. Errors: PUR_TASK_MISSING. */
  wait(id: string, waitMs: number, signal?: AbortSignal): Promise<Task>
  /** Gives a task up. Errors: PUR_TASK_MISSING, PUR_TASK_ENDED. */
  cancel(id: string): Promise<Task>
  /** Deletes the oldest ended tasks, so that at most `keepLast` ended ones stay. */
  trim(keepLast: number): Promise<void>
}

const PREFIX = '/task/'
const ATTEMPTS = 5

/** The task log of a store. */
export function createTaskLog(store: Store, clock: Clock): TaskLog {
  const log: TaskLog = {
    prepare: (verb, targets, extra = {}) => {
      const nowMs = clock.nowMs()
      const task: Task = {
        id: newIdentifier(nowMs),
        verb,
        targets,
        state: 'queued',
        progress: { done: 0, total: 0, text: '', ...extra.progress },
        ...(extra.result !== undefined && { result: extra.result }),
        createdAtMs: nowMs,
      }
      return { task, write: { put: keyOf(task.id), value: task } }
    },
    create: async (verb, targets, extra) => {
      const { task, write } = log.prepare(verb, targets, extra)
      await store.transact({ guards: [{ key: keyOf(task.id), revision: 0 }], writes: [write] })
      return task
    },
    update: async (id, patch) => {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const entry = await find(store, id)
        const next = changed(taskOf(entry), patch, clock.nowMs())
        if (await replace(store, entry, next)) return next
      }
      throw new PurlinError('PUR_STORE_CONFLICT', {
        message: `change task ${id}: somebody else changed it first, ${ATTEMPTS} times; try again`,
      })
    },
    get: async (id) => taskOf(await find(store, id)),
    list: async () => (await store.list(PREFIX)).entries.map(taskOf).reverse(),
    wait: (id, waitMs, signal) => waitForChange(store, clock, { id, waitMs, signal }),
    cancel: (id) => log.update(id, { state: 'cancelled' }),
    trim: async (keepLast) => {
      const ended = (await log.list()).filter(taskEnded).slice(keepLast)
      await store.transact({ writes: ended.map(({ id }) => ({ delete: keyOf(id) })) })
    },
  }
  return log
}

/** The task after the patch. Pure. */
function changed(task: Task, patch: TaskPatch, nowMs: number): Task {
  if (taskEnded(task)) {
    throw new PurlinError('PUR_TASK_ENDED', {
      message: `change task ${task.id}: it has already ended (${task.state}) and stays as it is`,
      context: { id: task.id, state: task.state },
    })
  }
  const { state = task.state, progress, problem, result } = patch
  const next: Task = {
    ...task,
    state: reached(task.state, state),
    progress: { ...task.progress, ...progress },
    ...(problem !== undefined && { problem }),
    ...(result !== undefined && { result }),
  }
  return taskEnded(next) ? { ...next, endedAtMs: nowMs } : next
}

/** `to`, where the table leads from one state to the other with one event. */
function reached(from: Task['state'], to: Task['state']): Task['state'] {
  if (from === to) return to
  const event = taskStates.events.find(
    (each) => taskStates.allows(from, each) && taskStates.next(from, each) === to,
  )
  if (event !== undefined) return to
  throw new PurlinError('PUR_STATE_ILLEGAL', {
    message: `a ${from} task cannot become ${to} in one step`,
    context: { from, to },
  })
}

async function waitForChange(
  store: Store,
  clock: Clock,
  { id, waitMs, signal }: { id: string; waitMs: number; signal: AbortSignal | undefined },
): Promise<Task> {
  const entry = await find(store, id)
  const task = taskOf(entry)
  if (taskEnded(task) || waitMs <= 0 || signal?.aborted === true) return task
  const over = new AbortController()
  const end = (): void => over.abort()
  signal?.addEventListener('abort', end, { once: true })
  clock.sleep(waitMs, over.signal).then(end, () => {})
  try {
    const watch = store.watch(keyOf(id), { afterRevision: entry.revision, signal: over.signal })
    for await (const _ of watch) break
  } catch (thrown) {
    // The history since the task was read is gone already, so it may have changed: answer what it
    // is now.
    if (!(thrown instanceof PurlinError && thrown.code === 'PUR_STORE_COMPACTED')) throw thrown
  } finally {
    signal?.removeEventListener('abort', end)
    end()
  }
  return taskOf(await find(store, id))
}

async function replace(store: Store, entry: StoreEntry, task: Task): Promise<boolean> {
  try {
    const guards = [{ key: entry.key, revision: entry.revision }]
    await store.transact({ guards, writes: [{ put: entry.key, value: task }] })
    return true
  } catch (thrown) {
    if (thrown instanceof PurlinError && thrown.code === 'PUR_STORE_CONFLICT') return false
    throw thrown
  }
}

async function find(store: Store, id: string): Promise<StoreEntry> {
  const entry = /^[0-9a-z]{1,64}$/.test(id) ? await store.get(keyOf(id)) : undefined
  if (entry !== undefined) return entry
  throw new PurlinError('PUR_TASK_MISSING', {
    message: `task ${id.slice(0, 64)}: there is none of that id; see the list of tasks`,
    context: { id: id.slice(0, 64) },
  })
}

function taskOf(entry: StoreEntry): Task {
  return entry.value as Task
}

function keyOf(id: string): string {
  return `${PREFIX}${id}`
}
