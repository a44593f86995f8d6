import { PurlinError } from '@purlin/base'
import { chassisAtRest } from '@purlin/schema'
import { type CommandMeans, carryOut } from './carry-out.ts'
import type { Deadlines } from './deadlines.ts'
import type { LifeEvent } from './event.ts'
import type { Life } from './life.ts'
import { step, type Transition } from './step.ts'
import { tellingOf } from './tellings.ts'

/** Events of one chassis that wait for their turn; a node that floods is turned away. */
const WAITING_MAX = 64
/** Before a timer that changed nothing, or a write that failed, is tried again. */
const RESPITE_MS = 5_000
const CONSOLE_CHARACTERS = 2_048

/** What came of an event. */
export type Posted =
  | { readonly kind: 'moved'; readonly life: Life }
  | { readonly kind: 'ignored' | 'refused'; readonly life: Life; readonly reason: string }

/** One chassis: its events one after the other; each transition is written before its commands are
 *  begun, and what a command gave comes back as an event. */
export class ChassisRunner {
  readonly #means: CommandMeans
  readonly #deadlines: Deadlines
  readonly #stopping = new AbortController()
  #life: Life
  #revision: number
  #turn: Promise<unknown> = Promise.resolve()
  #waiting = 0
  #running:
    | { readonly id: number; readonly controller: AbortController; ended: Promise<void> }
    | undefined
  #timer: AbortController | undefined
  #respiteUntilMs = 0
  #watchers = new Set<() => void>()

  constructor(means: CommandMeans, deadlines: Deadlines, life: Life, revision: number) {
    this.#means = means
    this.#deadlines = deadlines
    this.#life = life
    this.#revision = revision
  }

  get life(): Life {
    return this.#life
  }

  /** Begins with what the record says. */
  begin(): void {
    this.#arrange()
  }

  /** Goes on where the record says: commands that are pending are carried out, maybe again. A
   *  deadline that passed while nobody could be heard gets a respite of a minute. */
  resume(): void {
    this.#respiteUntilMs = this.#means.grounds.clock.nowMs() + 60_000
    this.#listen().catch((thrown) => this.#trouble(thrown))
    this.#arrange()
  }

  /** Goes on recording the console of a node that is at work. */
  async #listen(): Promise<void> {
    const { grounds, consoles, holder } = this.#means
    const { chassis, boot, state } = this.#life
    if (boot?.poweredAtMs === undefined || (chassisAtRest(state) && state !== 'rescue')) return
    await consoles.hold(chassis, await grounds.bmcOf(chassis), holder)
  }

  /** Moves the life by an event, in its turn. Errors: PUR_LIFE_REFUSED where too many wait,
   *  PUR_STORE_* where the life could not be written; then nothing has changed. */
  async post(event: LifeEvent): Promise<Posted> {
    if (this.#waiting >= WAITING_MAX) {
      const message = `chassis ${this.#life.chassis}: ${WAITING_MAX} events wait already; try later`
      throw new PurlinError('PUR_LIFE_REFUSED', { message })
    }
    this.#waiting += 1
    const turn = this.#turn.then(() => this.#move(event))
    this.#turn = turn.catch(() => {})
    try {
      return await turn
    } finally {
      this.#waiting -= 1
    }
  }

  /** Resolves when the life has changed, or with the signal. */
  async changed(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const over = (): void => {
        this.#watchers.delete(over)
        signal.removeEventListener('abort', over)
        resolve()
      }
      this.#watchers.add(over)
      signal.addEventListener('abort', over, { once: true })
      if (signal.aborted) over()
    })
  }

  /** Stops where it is; the record goes on at the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#timer?.abort()
    this.#running?.controller.abort()
    for (const over of [...this.#watchers]) over()
    await this.#turn
    await this.#running?.ended
  }

  async #move(event: LifeEvent): Promise<Posted> {
    if (this.#stopping.signal.aborted) {
      throw new PurlinError('PUR_CANCELLED', { message: 'the daemon is being stopped' })
    }
    const { grounds, consoles, records } = this.#means
    const tail = consoles.tail(this.#life.chassis).slice(-CONSOLE_CHARACTERS)
    const witnessed = tail === '' ? event : { ...event, consoleTail: tail }
    const before = this.#life
    const stepped = step(before, witnessed, grounds.clock.nowMs(), this.#deadlines)
    if (stepped.kind !== 'moved') {
      return { kind: stepped.kind, life: before, reason: stepped.reason }
    }
    this.#revision = await records.write(stepped.life, this.#revision, stepped.transitions)
    this.#life = stepped.life
    try {
      this.#announce(before, stepped.transitions)
    } catch (thrown) {
      // It is written: whoever does not hear of it cannot undo it.
      this.#trouble(thrown)
    }
    this.#arrange()
    return { kind: 'moved', life: stepped.life }
  }

  #announce(before: Life, transitions: readonly Transition[]): void {
    const { grounds } = this.#means
    const { chassis, failure } = this.#life
    for (const transition of transitions) {
      const telling = tellingOf(this.#life, transition)
      if (telling !== undefined) grounds.tell(telling)
    }
    const subject = { kind: 'Chassis', name: chassis }
    const past = before.failure
    if (past !== undefined && past.atMs !== failure?.atMs) {
      grounds.clear(subject, past.code ?? 'PUR_INTERNAL')
    }
    if (failure !== undefined && past?.atMs !== failure.atMs) {
      const message = `failed in ${failure.step}: ${failure.cause}`
      grounds.raise({
        code: failure.code ?? 'PUR_INTERNAL',
        severity: 'critical',
        subject,
        message,
      })
    }
    grounds.changed(chassis)
    for (const over of [...this.#watchers]) over()
  }

  /** Brings what runs in line with what the life wants: one command at once, one timer. */
  #arrange(): void {
    if (this.#stopping.signal.aborted) return
    const { pending, deadlineAtMs, state, chassis } = this.#life
    const { grounds, consoles, holder } = this.#means
    const nowMs = grounds.clock.nowMs()
    const wanted = new Set(pending.map(({ id }) => id))
    if (this.#running !== undefined && !wanted.has(this.#running.id))
      this.#running.controller.abort()
    const [next] = pending
    const dueMs = Math.max(next?.notBeforeMs ?? 0, next === undefined ? 0 : this.#pausedUntilMs)
    if (next !== undefined && this.#running === undefined && dueMs <= nowMs) this.#begin(next.id)
    if (next === undefined && chassisAtRest(state) && state !== 'rescue') {
      consoles.release(chassis, holder).catch((thrown) => grounds.onTrouble(chassis, thrown))
    }
    const times = [
      ...(deadlineAtMs === undefined ? [] : [Math.max(deadlineAtMs, this.#respiteUntilMs)]),
      ...(next === undefined || this.#running !== undefined ? [] : [dueMs]),
    ]
    this.#wakeAt(times.length === 0 ? undefined : Math.min(...times))
  }

  #pausedUntilMs = 0

  #begin(id: number): void {
    const command = this.#life.pending.find((each) => each.id === id)
    if (command === undefined) return
    const controller = new AbortController()
    const running = { id, controller, ended: Promise.resolve() }
    this.#running = running
    const life = this.#life
    const work = async (): Promise<void> => {
      const outcome = await carryOut(this.#means, life, command, controller.signal)
      this.#running = undefined
      if (controller.signal.aborted) {
        this.#arrange()
        return
      }
      await this.#tellFailure(outcome)
      await this.post({ type: 'carried-out', id, outcome })
    }
    running.ended = work().catch((thrown) => {
      // It could not be written down, so it will be carried out once more.
      this.#pausedUntilMs = this.#means.grounds.clock.nowMs() + RESPITE_MS
      this.#trouble(thrown)
      this.#arrange()
    })
  }

  /** What a person asked for, and a convenience that did not come about, fails no life. */
  async #tellFailure(outcome: { readonly did: string; readonly cause?: string }): Promise<void> {
    if (outcome.did !== 'nothing' || !chassisAtRest(this.#life.state)) return
    const subject = { kind: 'Chassis', name: this.#life.chassis }
    const message = outcome.cause ?? 'a command to its BMC failed'
    this.#means.grounds.tell({
      type: 'chassis.command-failed',
      severity: 'warning',
      subject,
      message,
    })
  }

  #wakeAt(atMs: number | undefined): void {
    this.#timer?.abort()
    this.#timer = undefined
    if (atMs === undefined) return
    const timer = new AbortController()
    this.#timer = timer
    const { clock } = this.#means.grounds
    clock
      .sleep(Math.max(0, atMs - clock.nowMs()), timer.signal)
      .then(() => this.#wake())
      .catch(() => {}) // Aborted: another timer stands for it.
  }

  async #wake(): Promise<void> {
    const { clock } = this.#means.grounds
    const { deadlineAtMs } = this.#life
    const due = deadlineAtMs !== undefined && deadlineAtMs <= clock.nowMs()
    if (!due || this.#respiteUntilMs > clock.nowMs()) {
      this.#arrange()
      return
    }
    try {
      const posted = await this.post({ type: 'time' })
      if (posted.kind === 'moved') return
    } catch (thrown) {
      this.#trouble(thrown)
    }
    this.#respiteUntilMs = clock.nowMs() + RESPITE_MS
    this.#arrange()
  }

  #trouble(thrown: unknown): void {
    if (!this.#stopping.signal.aborted) this.#means.grounds.onTrouble(this.#life.chassis, thrown)
  }
}
