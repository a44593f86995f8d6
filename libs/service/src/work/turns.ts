/** Runs one piece of work at a time; asking while it runs makes it run once more. */
export class Turns {
  readonly #work: () => Promise<void>
  #running: Promise<void> | undefined
  #next: PromiseWithResolvers<void> | undefined
  #stopped = false

  /** `work` must not reject. */
  constructor(work: () => Promise<void>) {
    this.#work = work
  }

  /** Resolves when a run that began after this has ended, or none will be. */
  ask(): Promise<void> {
    if (this.#stopped) return Promise.resolve()
    this.#next ??= Promise.withResolvers<void>()
    const { promise } = this.#next
    this.#running ??= this.#run()
    return promise
  }

  /** No run begins any more. */
  stop(): void {
    this.#stopped = true
    this.#next?.resolve()
    this.#next = undefined
  }

  async #run(): Promise<void> {
    while (this.#next !== undefined) {
      const { resolve } = this.#next
      this.#next = undefined
      await this.#work()
      resolve()
    }
    this.#running = undefined
  }
}
