import type { Clock } from '@purlin/base'

/** A guest that was asked to power off: how long ago, and how long it may take. */
export interface PowerOff {
  readonly agoMs: number
  readonly graceMs: number
}

/** After its grace a guest that is still there was not wanted off any more: what it was asked is
 *  forgotten, so that it is asked again the next time. */
const FORGOTTEN_AFTER_MS = 60_000

interface Watcher {
  readonly onOver: (machine: string) => void
  readonly signal: AbortSignal
}

/** Which guests were asked to power off, so that nobody has to wait for each of them. It is kept in
 *  memory alone: a new agent asks again and gives the guest its whole grace. */
export class PowerOffs {
  readonly #clock: Clock
  readonly #asked = new Map<string, { readonly atMs: number; readonly graceMs: number }>()
  readonly #watchers = new Set<Watcher>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Notes that the guest is asked now, or that its grace is another one. Answers whether it has to
   *  be asked. */
  note(machine: string, graceMs: number): boolean {
    const before = this.#asked.get(machine)
    const atMs = before?.atMs ?? this.#clock.monotonicMs()
    this.#asked.set(machine, { atMs, graceMs })
    const leftMs = Math.max(0, atMs + graceMs - this.#clock.monotonicMs())
    for (const { onOver, signal } of this.#watchers) {
      this.#clock.sleep(leftMs, signal).then(
        () => onOver(machine),
        () => undefined,
      )
    }
    return before === undefined
  }

  /** Undefined: it was not asked. */
  of(machine: string): PowerOff | undefined {
    const asked = this.#asked.get(machine)
    if (asked === undefined) return undefined
    const agoMs = this.#clock.monotonicMs() - asked.atMs
    if (agoMs < asked.graceMs + FORGOTTEN_AFTER_MS) return { agoMs, graceMs: asked.graceMs }
    this.#asked.delete(machine)
    return undefined
  }

  /** Forgets all but these machines, which are active. */
  keepOnly(active: ReadonlySet<string>): void {
    for (const machine of [...this.#asked.keys()]) {
      if (!active.has(machine)) this.#asked.delete(machine)
    }
  }

  /** Calls `onOver` when the grace of a guest that is asked from now on is over, until the signal
   *  is aborted. */
  watch(onOver: (machine: string) => void, signal: AbortSignal): void {
    const watcher = { onOver, signal }
    this.#watchers.add(watcher)
    signal.addEventListener('abort', () => this.#watchers.delete(watcher), { once: true })
  }
}
