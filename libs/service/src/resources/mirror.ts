import { type Clock, toPurlinError } from '@purlin/base'
import type { Store, StoreEntry } from '@purlin/store'

/** Entries of a prefix as they are known now; the map is the mirror's own and goes on with it. */
export interface Mirrored {
  readonly entries: ReadonlyMap<string, StoreEntry>
  readonly revision: number
}

/** Follows a prefix of the store. A store that is away changes nothing in what is known: the mirror
 *  stands still and catches up by revision, or, where the history is gone, by a new listing. */
export interface Mirror {
  current(): Mirrored
  /** Told of each new state. */
  onChange(listener: (mirrored: Mirrored) => void): void
  /** Ends with an error when the store breaks for good; else when `signal` is aborted. */
  readonly ended: Promise<void>
}

export interface MirrorOptions {
  readonly store: Store
  readonly prefix: string
  readonly clock: Clock
  readonly signal: AbortSignal
  /** What was known when the agent last ran, for a store that is away. */
  readonly cached?: Mirrored | undefined
}

const RETRY_MS = 500

/** Reads the prefix and follows it. Answers once something is known: from the store, or, where that
 *  is away, from `cached`; without either it goes on trying until the signal is aborted. */
export async function mirrorPrefix(options: MirrorOptions): Promise<Mirror> {
  const { store, prefix, clock, signal, cached } = options
  const listeners = new Set<(mirrored: Mirrored) => void>()
  const known = new Map<string, StoreEntry>()
  let mirrored: Mirrored = { entries: known, revision: 0 }
  const begun = Promise.withResolvers<void>()
  const show = (revision: number): void => {
    mirrored = { entries: known, revision }
    for (const listener of listeners) listener(mirrored)
  }
  const list = async (): Promise<number> => {
    const { entries, revision } = await store.list(prefix)
    known.clear()
    for (const entry of entries) known.set(entry.key, entry)
    show(revision)
    begun.resolve()
    return revision
  }
  const follow = async (): Promise<void> => {
    let at: number | undefined
    while (!signal.aborted) {
      try {
        at ??= await list()
        for await (const changes of store.watch(prefix, { afterRevision: at, signal })) {
          for (const change of changes) {
            if (change.type === 'delete') known.delete(change.key)
            else known.set(change.key, entryOf(change))
          }
          at = changes.at(-1)?.revision ?? at
          show(at)
        }
        return
      } catch (thrown) {
        const error = toPurlinError(thrown)
        if (error.code === 'PUR_STORE_COMPACTED') at = undefined
        else if (error.code !== 'PUR_STORE_UNREACHABLE') throw error
        else {
          if (cached !== undefined && mirrored.revision === 0) {
            for (const [key, entry] of cached.entries) known.set(key, entry)
            show(cached.revision)
            begun.resolve()
          }
          await clock.sleep(RETRY_MS, signal).catch(() => undefined)
        }
      }
    }
  }
  const ended = follow()
  ended.catch(begun.reject)
  ended.then(begun.resolve, () => undefined)
  await begun.promise
  return {
    current: () => mirrored,
    onChange: (listener) => void listeners.add(listener),
    ended,
  }
}

/** An entry as far as a change tells of it: whoever follows asks for its value and revision. */
function entryOf(change: { key: string; value?: unknown; revision: number }): StoreEntry {
  const { key, value, revision } = change
  return { key, value, revision, createdRevision: revision, version: 1 }
}
