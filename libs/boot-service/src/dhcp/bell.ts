import type { Clock } from '@purlin/base'

/** Wakes one waiter; a ring while nobody waits is kept, and many rings are one. */
export class Bell {
  #rung = false
  #wake: (() => void) | undefined

  ring(): void {
    this.#rung = true
    this.#wake?.()
  }

  /** Resolves at the next ring, or after `limitMs`. */
  async wait(limitMs: number, clock: Clock): Promise<void> {
    const timer = new AbortController()
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        clock.sleep(limitMs, timer.signal).then(resolve, () => {})
      })
    }
    timer.abort()
    this.#wake = undefined
    this.#rung = false
  }
}
