/** Lets few in at once; the others wait in their order. */
export class Gate {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(atOnce: number) {
    this.#free = atOnce
  }

  /** Runs `work` when there is room. Errors: those of `work`, the signal’s reason while waiting. */
  async pass<Value>(signal: AbortSignal, work: () => Promise<Value>): Promise<Value> {
    await this.#enter(signal)
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free += 1
      else next()
    }
  }

  async #enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#free > 0) {
      this.#free -= 1
      return
    }
    await new Promise<void>((resolve, reject) => {
      const give = (): void => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(give), 1)
        reject(signal.reason)
      }
      this.#waiting.push(give)
      signal.addEventListener('abort', leave, { once: true })
    })
  }
}
