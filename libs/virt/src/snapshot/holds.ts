/** Machines whose power the lane leaves alone for a moment, since something else has them stand
 *  still. It is kept in memory alone: what an agent held when it ended, the next one's lane lets go
 *  on. */
export class MachineHolds {
  readonly #held = new Map<string, number>()
  readonly #listeners = new Set<(machine: string) => void>()

  /** Holds a machine until the returned function is called; calling that again does nothing. */
  take(machine: string): () => void {
    this.#held.set(machine, (this.#held.get(machine) ?? 0) + 1)
    let held = true
    return () => {
      if (!held) return
      held = false
      const left = (this.#held.get(machine) ?? 1) - 1
      if (left > 0) {
        this.#held.set(machine, left)
        return
      }
      this.#held.delete(machine)
      for (const listener of this.#listeners) listener(machine)
    }
  }

  has(machine: string): boolean {
    return this.#held.has(machine)
  }

  /** Calls `onRelease` whenever a machine is let go, until the signal is aborted. */
  watch(onRelease: (machine: string) => void, signal: AbortSignal): void {
    this.#listeners.add(onRelease)
    signal.addEventListener('abort', () => this.#listeners.delete(onRelease), { once: true })
  }
}
