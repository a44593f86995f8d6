import { PurlinError } from '@purlin/base'
import type { StoreChange, WatchOptions } from '../store.ts'
import type { Committer } from './commit.ts'
import type { Tables } from './tables.ts'

/** Revisions read at once; what bounds the memory of a watcher that lags behind. */
const REVISIONS_AT_ONCE = 256

/** Wakes those who wait for the next commit. */
export class CommitBell {
  readonly #waiting = new Set<() => void>()
  #closed = false

  get closed(): boolean {
    return this.#closed
  }

  ring(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }

  close(): void {
    this.#closed = true
    this.ring()
  }

  /** Resolves at the next ring or when the signal is aborted. */
  next(signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#closed) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal.addEventListener('abort', wake, { once: true })
    })
  }
}

/** Follows the history from a revision on. A watcher has no queue of its own: it remembers where it
 *  is and reads on, so a slow one costs nothing until the history it needs is forgotten. */
export async function* followHistory(options: {
  readonly tables: Tables
  readonly committer: Committer
  readonly bell: CommitBell
  readonly prefix: string
  readonly watch: Required<WatchOptions>
}): AsyncGenerator<readonly StoreChange[], void, void> {
  const { tables, committer, bell, prefix } = options
  const { signal, afterRevision } = options.watch
  let at = afterRevision
  while (!signal.aborted && !bell.closed) {
    if (at < committer.compacted || at > committer.revision) {
      throw gone(at, committer.compacted, committer.revision)
    }
    if (at === committer.revision) {
      await bell.next(signal)
      continue
    }
    const to = Math.min(at + REVISIONS_AT_ONCE, committer.revision)
    const batches = byRevision(tables.changes(prefix, at, to))
    at = to
    for (const batch of batches) {
      if (signal.aborted) return
      yield batch
    }
  }
}

function byRevision(changes: readonly StoreChange[]): readonly (readonly StoreChange[])[] {
  return [...Map.groupBy(changes, (change) => change.revision).values()]
}

function gone(after: number, compacted: number, revision: number): PurlinError {
  const kept = `the store keeps changes after ${compacted} up to ${revision}`
  return new PurlinError('PUR_STORE_COMPACTED', {
    message: `watch after revision ${after}: ${kept}; list again and watch from there`,
    context: { after, compacted, revision },
  })
}
