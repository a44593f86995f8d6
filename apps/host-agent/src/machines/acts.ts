import { type Clock, newIdentifier, PurlinError, toPurlinError } from '@purlin/base'
import type { Task } from '@purlin/schema'
import {
  type CatalogueFollower,
  mirrorPrefix,
  type OnceRequest,
  type StoredRecord,
} from '@purlin/service'
import type { Store, StoreEntry, TaskLog } from '@purlin/store'
import type { GuestAgent, MachineControl, VirtDriver } from '@purlin/virt'
import { machineUuid } from './machine-uuid.ts'

/** What is done to a machine once. `start-again`: the lane lets it rest, since it went off by
 *  itself, and somebody wants it all the same. `destroy` has no task of its own and only hurries
 *  the lane, which wants it stopped; nor has `thaw`, which is done at its time. */
type ActVerb = TaskVerb | 'destroy' | 'thaw'
type TaskVerb = 'reboot' | 'reset' | 'start-again'
type Outcome = 'by-guest' | 'by-reset' | 'started'

/** An act that was asked for, under the id of its task; written before it is done, and before each
 *  thing that is done for it, so that no agent does it a second time. */
interface Act {
  readonly verb: ActVerb
  readonly machine: string
  /** Identity of the resource: a machine made anew under the name is another one. */
  readonly uid: string
  /** UUID of its domain. */
  readonly uuid: string
  /** The host whose agent does it. */
  readonly host: string
  readonly graceMs: number
  /** Nobody wants it any more when it was not begun by then; of `thaw`, when it is due. */
  readonly untilMs: number
  readonly begun?: 'asked' | 'reset'
}

export interface ActGrounds {
  readonly store: Store
  readonly tasks: TaskLog
  readonly catalogue: CatalogueFollower
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly host: string
  readonly control: MachineControl
  readonly startAnew: VirtDriver['startAnew']
  readonly thaw: GuestAgent['thaw']
  readonly onEnd: (task: Task) => void
  readonly onTrouble: (thrown: unknown) => void
}

const PREFIX = '/machine-act/'
/** An act that an agent finds so late was meant for another moment. */
const BEGIN_WITHIN_MS = 30_000
/** A machine that rested has so long to run. */
const START_LIMIT_MS = 90_000
const THAW_DEADLINE_MS = 20_000
const WRITE_ATTEMPTS = 30
const WRITE_AGAIN_MS = 2_000

const TASK_VERBS: ReadonlySet<string> = new Set<TaskVerb>(['reboot', 'reset', 'start-again'])

/** Whether a task ends with what does it instead of with what is seen. */
export function isActTask(task: Task): boolean {
  return TASK_VERBS.has(task.verb)
}

/** Does to this host's machines what is done once. Whoever is asked writes the act, and the agent
 *  of the machine's host does it. One that was begun by an agent that ended in it is not begun
 *  again: libvirt does not tell afterwards whether a guest was started anew. */
export class MachineActs {
  readonly #grounds: ActGrounds
  /** Acts that this agent has begun, until it sees that they are gone. */
  readonly #taken = new Set<string>()

  constructor(grounds: ActGrounds) {
    this.#grounds = grounds
    this.#follow().catch((thrown) => grounds.signal.aborted || grounds.onTrouble(thrown))
  }

  /** Asks for an act with a task of its own; answers once both are on disk. */
  async ask(
    verb: TaskVerb,
    machine: StoredRecord<'VirtualMachine'>,
    graceMs: number,
    once?: OnceRequest,
  ): Promise<Task> {
    const { store, tasks } = this.#grounds
    const { task, write } = tasks.prepare(
      verb,
      [{ kind: 'VirtualMachine', name: machine.manifest.name }],
      { progress: { done: 0, total: 1, text: 'accepted' } },
    )
    await store.transact({
      ...(once && { guards: [once.guard] }),
      writes: [
        write,
        { put: `${PREFIX}${task.id}`, value: this.#actOf(verb, machine, graceMs) },
        ...(once ? [once.remember(task.id)] : []),
      ],
    })
    return task
  }

  /** Has the power of a machine taken at once, which a task already wants stopped. */
  async hurry(task: Task, machine: StoredRecord<'VirtualMachine'>): Promise<void> {
    const value = this.#actOf('destroy', machine, 0)
    await this.#grounds.store.transact({ writes: [{ put: `${PREFIX}${task.id}`, value }] })
  }

  /** Has the guest of a machine of this host thawed then, by this agent or by the next. Answers
   *  when that is. Another freeze meanwhile puts it off. */
  async thawLater(machine: string, afterMs: number): Promise<number> {
    const { store, clock, host } = this.#grounds
    const untilMs = clock.nowMs() + afterMs
    const value: Act = { verb: 'thaw', machine, uid: '', uuid: '', host, graceMs: 0, untilMs }
    const { entries } = await store.list(PREFIX)
    const earlier = entries.filter((entry) => {
      const act = entry.value as Act
      return act.verb === 'thaw' && act.machine === machine
    })
    const put = `${PREFIX}thaw-${newIdentifier(clock.nowMs())}`
    await store.transact({
      writes: [...earlier.map(({ key }) => ({ delete: key })), { put, value }],
    })
    return untilMs
  }

  #actOf(verb: ActVerb, record: StoredRecord<'VirtualMachine'>, graceMs: number): Act {
    const { manifest, uid } = record
    const { name: machine, spec } = manifest
    const untilMs = this.#grounds.clock.nowMs() + BEGIN_WITHIN_MS
    const host = spec.host ?? this.#grounds.host
    return { verb, machine, uid, uuid: machineUuid(record), host, graceMs, untilMs }
  }

  async #follow(): Promise<void> {
    const { store, clock, signal, host } = this.#grounds
    const mirror = await mirrorPrefix({ store, prefix: PREFIX, clock, signal })
    const look = (): void => {
      const { entries } = mirror.current()
      for (const key of [...this.#taken]) if (!entries.has(key)) this.#taken.delete(key)
      for (const entry of entries.values()) {
        const { key, value } = entry
        if ((value as Act).host !== host || this.#taken.has(key)) continue
        this.#taken.add(key)
        this.#carryOut(entry).catch((thrown) => signal.aborted || this.#grounds.onTrouble(thrown))
      }
    }
    mirror.onChange(look)
    look()
    await mirror.ended
  }

  async #carryOut(entry: StoreEntry): Promise<void> {
    const { clock, control, startAnew, signal } = this.#grounds
    const act = entry.value as Act
    const machine = { name: act.machine, uuid: act.uuid }
    if (act.verb === 'thaw') {
      await this.#thaw(entry.key)
      return
    }
    if (act.verb === 'destroy') {
      try {
        if (this.#isWantedStopped(act)) await control.destroy(machine, signal)
      } finally {
        // Where it failed, the lane goes on with the stop.
        await this.#forget(entry.key)
      }
      return
    }
    if (act.begun !== undefined) {
      await this.#end(entry.key, uncertain(act))
      return
    }
    if (clock.nowMs() > act.untilMs) {
      const message = `${act.verb} of machine ${act.machine}: it could not be begun in time and was given up; ask again`
      await this.#end(entry.key, new PurlinError('PUR_DEADLINE_PASSED', { message }))
      return
    }
    let { revision } = entry
    try {
      if (act.verb === 'start-again') {
        await startAnew(machine.uuid)
        await control.awaitRunning(machine, START_LIMIT_MS, signal)
        await this.#end(entry.key, undefined, 'started')
        return
      }
      const how = await control.reboot(machine, {
        graceMs: act.verb === 'reset' ? 0 : act.graceMs,
        signal,
        onState: async (begun) => {
          revision = await this.#begin(entry.key, { ...act, begun }, revision)
        },
      })
      await this.#end(entry.key, undefined, how)
    } catch (thrown) {
      // An agent that ends leaves it to the next one to say what is known.
      if (signal.aborted) throw thrown
      await this.#end(entry.key, toPurlinError(thrown))
    }
  }

  /** Thaws when it is due, as the store says by then. A guest that is away or has ended needs no
   *  thaw: what is frozen is thawed by its next start. */
  async #thaw(key: string): Promise<void> {
    const { store, clock, signal, thaw } = this.#grounds
    for (let attempt = 1; attempt <= WRITE_ATTEMPTS; attempt++) {
      const entry = await store.get(key)
      if (entry === undefined) return
      const { machine, untilMs } = entry.value as Act
      await clock.sleep(Math.max(0, untilMs - clock.nowMs()), signal)
      // Put off meanwhile: that one has a word of its own.
      if ((await store.get(key)) === undefined) return
      try {
        await thaw(machine, { deadlineMs: THAW_DEADLINE_MS, signal })
        break
      } catch (thrown) {
        const { code } = toPurlinError(thrown)
        if (code === 'PUR_VIRT_NO_DOMAIN' || code === 'PUR_VIRT_REFUSED') break
        await clock.sleep(WRITE_AGAIN_MS, signal)
      }
    }
    await this.#forget(key)
  }

  /** Says in the task and in the act what is about to be done. Errors: PUR_TASK_ENDED where the
   *  task was cancelled, and those of the store, which leave it undone. */
  async #begin(key: string, act: Act, revision: number): Promise<number> {
    const { store, tasks } = this.#grounds
    const text =
      act.begun === 'reset'
        ? `machine ${act.machine} is reset`
        : `the guest of machine ${act.machine} is asked; it is reset after ${act.graceMs / 1_000} s`
    await tasks.update(key.slice(PREFIX.length), { state: 'running', progress: { text } })
    const guards = [{ key, revision }]
    return (await store.transact({ guards, writes: [{ put: key, value: act }] })).revision
  }

  /** Ends the task and forgets the act; tries again while the store is away. */
  async #end(key: string, error?: PurlinError, how?: Outcome): Promise<void> {
    const { tasks, clock, signal, onEnd } = this.#grounds
    for (let attempt = 1; ; attempt++) {
      try {
        const ended = await tasks.update(key.slice(PREFIX.length), {
          state: error === undefined ? 'succeeded' : 'failed',
          ...(error === undefined
            ? { progress: { done: 1, text: words[how ?? 'by-reset'] }, result: { how } }
            : { problem: { ...error.toProblem() } }),
        })
        onEnd(ended)
        break
      } catch (thrown) {
        const { code } = toPurlinError(thrown)
        // It was cancelled, or it is so old that it was forgotten.
        if (code === 'PUR_TASK_ENDED' || code === 'PUR_TASK_MISSING') break
        if (attempt === WRITE_ATTEMPTS) throw thrown
        await clock.sleep(WRITE_AGAIN_MS, signal)
      }
    }
    await this.#forget(key)
  }

  async #forget(key: string): Promise<void> {
    await this.#grounds.store.transact({ writes: [{ delete: key }] })
  }

  /** Somebody may have wanted it running again since. */
  #isWantedStopped({ machine, uid }: Act): boolean {
    const record = this.#grounds.catalogue.current().get('VirtualMachine', machine)
    return record?.uid === uid && record.manifest.spec.powerState === 'stopped'
  }
}

const words: Readonly<Record<Outcome, string>> = {
  started: 'the machine runs again',
  'by-guest': 'the guest has started anew',
  'by-reset': 'the machine was reset',
}

function uncertain({ verb, machine }: Act): PurlinError {
  const message = `${verb} of machine ${machine}: the agent ended after it had begun; whether the guest was started anew is not known, and it is not done twice: look at the guest, and ask again where it was not`
  return new PurlinError('PUR_VIRT_UNCERTAIN', { message, context: { machine } })
}
