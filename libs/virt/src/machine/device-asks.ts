import type { Clock } from '@purlin/base'

/** What a guest was asked to let go of, and did not yet. */
export interface DeviceAsk {
  /** How long ago it was asked first, and last. */
  readonly sinceMs: number
  readonly agoMs: number
  /** The guest said no. */
  readonly refused: boolean
}

/** A guest is asked again after so long. */
export const ASK_AGAIN_MS = 60_000
/** A guest that lets go does so within a second or two; one that does not is told of after this. */
export const TELL_AFTER_MS = 10_000

/** What is still wanted of a guest is asked again long before. */
const FORGOTTEN_AFTER_MS = 10 * ASK_AGAIN_MS

interface Asked {
  readonly firstMs: number
  readonly lastMs: number
  readonly refused: boolean
}

interface Watcher {
  readonly onChange: (machine: string) => void
  readonly signal: AbortSignal
}

/** What guests were asked to let go of, so that nobody waits for them. It is kept in memory alone:
 *  a new agent asks again. */
export class DeviceAsks {
  readonly #clock: Clock
  readonly #machines = new Map<string, Map<string, Asked>>()
  readonly #watchers = new Set<Watcher>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Notes that the guest is asked for the device now; `over` is the call, where that lasts. */
  note(machine: string, device: string, over?: Promise<void>): void {
    const nowMs = this.#clock.monotonicMs()
    const of = this.#machines.get(machine) ?? new Map<string, Asked>()
    this.#machines.set(machine, of)
    of.set(device, { firstMs: of.get(device)?.firstMs ?? nowMs, lastMs: nowMs, refused: false })
    for (const { onChange, signal } of this.#watchers) {
      for (const afterMs of [TELL_AFTER_MS, ASK_AGAIN_MS]) {
        this.#clock.sleep(afterMs, signal).then(
          () => onChange(machine),
          () => undefined,
        )
      }
      over?.then(() => onChange(machine))
    }
  }

  /** Notes that the guest said no. */
  refuse(machine: string, device: string): void {
    const of = this.#machines.get(machine)
    const asked = of?.get(device)
    if (asked !== undefined) of?.set(device, { ...asked, refused: true })
  }

  /** What the machine's guest was asked for. */
  of(machine: string): ReadonlyMap<string, DeviceAsk> {
    const nowMs = this.#clock.monotonicMs()
    const noted = this.#machines.get(machine)
    for (const [device, { lastMs }] of noted ?? []) {
      if (nowMs - lastMs > FORGOTTEN_AFTER_MS) noted?.delete(device)
    }
    const asks = [...(noted ?? [])].map(
      ([device, { firstMs, lastMs, refused }]) =>
        [device, { sinceMs: nowMs - firstMs, agoMs: nowMs - lastMs, refused }] as const,
    )
    return new Map(asks)
  }

  /** Forgets what machines beside these were asked. */
  keepMachines(machines: ReadonlySet<string>): void {
    for (const machine of [...this.#machines.keys()]) {
      if (!machines.has(machine)) this.#machines.delete(machine)
    }
  }

  /** Calls `onChange` when something is to be told or asked again, of what is asked from now on,
   *  until the signal is aborted. */
  watch(onChange: (machine: string) => void, signal: AbortSignal): void {
    const watcher = { onChange, signal }
    this.#watchers.add(watcher)
    signal.addEventListener('abort', () => this.#watchers.delete(watcher), { once: true })
  }
}
