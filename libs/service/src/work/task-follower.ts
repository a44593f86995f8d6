import { type Clock, PurlinError, toPurlinError } from '@purlin/base'
import { type Task, taskEnded } from '@purlin/schema'
import type { Store, TaskLog } from '@purlin/store'
import { hostOf, PURSUIT_PREFIX, pursuitKey, targetsOf } from './pursuit.ts'
import type { TaskStanding, TaskTarget } from './target.ts'
import { Turns } from './turns.ts'

export interface FollowerGrounds {
  readonly store: Store
  readonly tasks: TaskLog
  /** How far these targets are now. */
  readonly standingOf: (targets: readonly TaskTarget[]) => TaskStanding
  /** Tells of whatever may have brought a target further; answers how to stop that. */
  readonly subscribe: (listener: () => void) => () => void
  /** This host, and whether another one is there. */
  readonly host: string
  readonly isPresent: (host: string) => boolean
  readonly clock: Clock
  /** A task that is not done by then has failed; what it asked for stays desired. */
  readonly deadlineMs: number
  /** Whether a task is ended by what does it, so that it is not followed. */
  readonly endsByItself?: (task: Task) => boolean
  readonly onEnd: (task: Task) => void
}

/** Most changes are in force sooner; to write that they are under way would only slow them down. */
const REPORT_AFTER_MS = 200
const TAKEN_BACK_MS = 1_000

/** Carries tasks from accepted to their end, judged from what the lanes see. */
export class TaskFollower {
  readonly #grounds: FollowerGrounds
  readonly #open = new Map<string, () => void>()
  /** What was last said of a task, so that a pass that changes nothing writes nothing. */
  readonly #told = new Map<string, string>()

  constructor(grounds: FollowerGrounds) {
    this.#grounds = grounds
  }

  /** Takes up open tasks that nobody follows: those of this agent before it last stopped, and those
   *  of hosts that are gone. */
  async resume(): Promise<void> {
    const { tasks, store, host, isPresent, endsByItself } = this.#grounds
    const open = (await tasks.list()).filter((task) => !taskEnded(task))
    for (const task of open) {
      if (this.#open.has(task.id) || endsByItself?.(task) === true) continue
      const entry = await store.get(pursuitKey(task.id))
      const owner = entry === undefined ? host : hostOf(entry)
      if (owner === host || !isPresent(owner)) await this.follow(task)
    }
  }

  /** Follows a task until it ends; answers once it is being followed. */
  async follow(task: Task): Promise<void> {
    const { store, subscribe } = this.#grounds
    const entry = await store.get(pursuitKey(task.id))
    if (this.#open.has(task.id)) return
    if (entry === undefined) {
      // Whoever takes a change back takes its pursuit first, and ends the task right after.
      await this.#grounds.clock.sleep(TAKEN_BACK_MS)
      if (taskEnded(await this.#grounds.tasks.get(task.id))) return
      const message = 'the agent stopped before it could begin; ask again'
      await this.#end(task, new PurlinError('PUR_CANCELLED', { message }))
      return
    }
    const targets = targetsOf(entry)
    const turns = new Turns(() => this.#judge(task, targets))
    const unsubscribe = subscribe(() => void turns.ask())
    const timers = [REPORT_AFTER_MS, this.#grounds.deadlineMs].map((delayMs) =>
      setTimeout(() => void turns.ask(), delayMs),
    )
    this.#open.set(task.id, () => {
      for (const timer of timers) clearTimeout(timer)
      unsubscribe()
      turns.stop()
    })
    void turns.ask()
  }

  /** Stops following, because the task was cancelled or the agent stops; nothing is written. */
  leave(taskId: string): void {
    this.#open.get(taskId)?.()
    this.#open.delete(taskId)
    this.#told.delete(taskId)
  }

  /** Stops following every task; they are taken up at the next start. */
  leaveAll(): void {
    for (const taskId of [...this.#open.keys()]) this.leave(taskId)
  }

  /** Forgets what ended tasks were after. */
  async trim(): Promise<void> {
    const { store, tasks } = this.#grounds
    const { entries } = await store.list(PURSUIT_PREFIX)
    // Read later, so that a task that was made meanwhile is not taken for one that is gone.
    const open = new Set((await tasks.list()).flatMap((one) => (taskEnded(one) ? [] : [one.id])))
    const over = entries.filter(({ key }) => !open.has(key.slice(PURSUIT_PREFIX.length)))
    if (over.length > 0) {
      await store.transact({ writes: over.map(({ key }) => ({ delete: key })) })
    }
  }

  async #judge(task: Task, targets: readonly TaskTarget[]): Promise<void> {
    if (!this.#open.has(task.id)) return
    const { standingOf, clock, deadlineMs } = this.#grounds
    const standing = standingOf(targets)
    const lateMs = clock.nowMs() - task.createdAtMs - deadlineMs
    if (standing.done === standing.total) await this.#end(task, undefined, standing)
    else if (standing.error) await this.#end(task, standing.error, standing)
    else if (lateMs >= 0) {
      const message = `not done within ${deadlineMs / 1000} s: ${standing.text}; it goes on being tried`
      await this.#end(task, new PurlinError('PUR_DEADLINE_PASSED', { message }), standing)
    } else await this.#report(task, standing)
  }

  async #report(task: Task, standing: TaskStanding): Promise<void> {
    const youngMs = this.#grounds.clock.nowMs() - task.createdAtMs
    if (this.#told.get(task.id) === standing.text || youngMs < REPORT_AFTER_MS) return
    this.#told.set(task.id, standing.text)
    await this.#grounds.tasks
      .update(task.id, { state: 'running', progress: progressOf(standing) })
      .catch((thrown) => this.#lost(task, thrown))
  }

  async #end(task: Task, error: PurlinError | undefined, standing?: TaskStanding): Promise<void> {
    const { tasks, onEnd } = this.#grounds
    this.leave(task.id)
    try {
      const ended = await tasks.update(task.id, {
        state: error === undefined ? 'succeeded' : 'failed',
        ...(standing && { progress: progressOf(standing) }),
        ...(error && { problem: { ...error.toProblem() } }),
      })
      onEnd(ended)
    } catch (thrown) {
      this.#lost(task, thrown)
    }
  }

  /** A task that somebody else ended meanwhile needs no more following. */
  #lost(task: Task, thrown: unknown): void {
    const { code } = toPurlinError(thrown)
    if (code === 'PUR_TASK_ENDED' || code === 'PUR_TASK_MISSING') this.leave(task.id)
    else this.#told.delete(task.id)
  }
}

function progressOf({ done, total, text }: TaskStanding): Task['progress'] {
  return { done, total, text }
}
