/** How many commands run at once, over all BMCs of a process. */
export interface CommandPool {
  /** Waits for a place, in the order of asking; the answer gives it back. Rejects with the signal's
   *  reason. */
  take(signal: AbortSignal): Promise<() => void>
  readonly taken: number
}

/** Makes a pool; 16 at once as Ironic does, which one core can start without a queue of its own. */
export function createCommandPool(placesMax = 16): CommandPool {
  const waiting = new Set<() => void>()
  let taken = 0
  const giveBack = (): void => {
    const [next] = waiting
    if (next === undefined) taken -= 1
    else next()
  }
  const once = (): (() => void) => {
    let given = false
    return () => {
      if (!given) giveBack()
      given = true
    }
  }
  return {
    get taken() {
      return taken
    },
    take: async (signal) => {
      signal.throwIfAborted()
      if (taken < placesMax) {
        taken += 1
        return once()
      }
      return await new Promise((resolve, reject) => {
        const settle = (): void => {
          waiting.delete(granted)
          signal.removeEventListener('abort', givenUp)
        }
        const granted = (): void => {
          settle()
          resolve(once())
        }
        const givenUp = (): void => {
          settle()
          reject(signal.reason)
        }
        waiting.add(granted)
        signal.addEventListener('abort', givenUp, { once: true })
      })
    },
  }
}
