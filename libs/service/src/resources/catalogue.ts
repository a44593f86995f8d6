import type { Clock } from '@purlin/base'
import type { Kind, KnownNames, Manifest } from '@purlin/schema'
import { type Mirror, type Mirrored, type MirrorOptions, mirrorPrefix } from './mirror.ts'
import {
  RESOURCE_HEAD,
  RESOURCE_ROOT,
  type ResourceRecord,
  resourceKey,
  type StoredRecord,
} from './record.ts'

/** All resources at one revision; values never change, a new revision is a new catalogue. */
export interface Catalogue {
  /** Store revision of the newest change in it. */
  readonly revision: number
  /** Revision of the last change of any resource; 0 before the first. Whoever changes resources
   *  guards it, so that what was judged on this catalogue is written onto no other. */
  readonly headRevision: number
  get<K extends Kind>(kind: K, name: string): StoredRecord<K> | undefined
  list<K extends Kind>(kind: K): readonly StoredRecord<K>[]
  all(): readonly StoredRecord[]
}

/** The store's resources kept in memory, so that planning never waits for the store. */
export interface CatalogueFollower {
  current(): Catalogue
  /** Resolves when the catalogue has caught up with a revision that was just written, or after
   *  `waitMs`: what is written stays written. */
  reached(revision: number, waitMs?: number): Promise<void>
  onChange(listener: (catalogue: Catalogue) => void): void
  readonly mirror: Mirror
  /** Ends with an error when the store's watch breaks. */
  readonly ended: Promise<void>
}

const REACHED_WAIT_MS = 10_000

/** A catalogue over records by their key. Pure. */
export function catalogueOf(
  records: ReadonlyMap<string, StoredRecord>,
  revision: number,
  headRevision = revision,
): Catalogue {
  const sorted = [...records.values()].toSorted(
    (a, b) => a.createdAtMs - b.createdAtMs || compareText(a.manifest.name, b.manifest.name),
  )
  return {
    revision,
    headRevision,
    get: <K extends Kind>(kind: K, name: string) =>
      records.get(resourceKey(kind, name)) as StoredRecord<K> | undefined,
    list: <K extends Kind>(kind: K) =>
      sorted.filter((record) => record.manifest.kind === kind) as StoredRecord<K>[],
    all: () => sorted,
  }
}

/** The names a manifest may refer to, as checkManifest asks for them. */
export function knownNamesOf(catalogue: Catalogue): KnownNames {
  return (kind: Kind, name: string): Manifest | undefined => catalogue.get(kind, name)?.manifest
}

/** Reads all resources and follows their changes until the signal is aborted. */
export async function followCatalogue(
  options: Omit<MirrorOptions, 'prefix'>,
): Promise<CatalogueFollower> {
  const mirror = await mirrorPrefix({ ...options, prefix: RESOURCE_ROOT })
  const records = new Records()
  let catalogue = records.catalogue(mirror.current())
  const listeners = new Set<(catalogue: Catalogue) => void>()
  const waiting = new Set<{ revision: number; resolve: () => void }>()
  mirror.onChange((mirrored) => {
    catalogue = records.catalogue(mirrored)
    for (const listener of listeners) listener(catalogue)
    for (const one of waiting) {
      if (one.revision > catalogue.revision) continue
      waiting.delete(one)
      one.resolve()
    }
  })
  return {
    current: () => catalogue,
    onChange: (listener) => void listeners.add(listener),
    mirror,
    ended: mirror.ended,
    reached: async (wanted, waitMs = REACHED_WAIT_MS) => {
      if (wanted <= catalogue.revision) return
      const { promise, resolve } = Promise.withResolvers<void>()
      const one = { revision: wanted, resolve }
      waiting.add(one)
      const over = new AbortController()
      await Promise.race([promise, pause(options.clock, waitMs, over.signal)])
      over.abort()
      waiting.delete(one)
    },
  }
}

/** Records by their key; those whose entry has not changed are the same objects as before. */
class Records {
  #known: ReadonlyMap<string, StoredRecord> = new Map()

  catalogue({ entries, revision }: Mirrored): Catalogue {
    const records = new Map<string, StoredRecord>()
    for (const [key, entry] of entries) {
      if (key === RESOURCE_HEAD) continue
      const before = this.#known.get(key)
      const record =
        before?.revision === entry.revision
          ? before
          : { ...(entry.value as ResourceRecord), revision: entry.revision }
      records.set(key, record)
    }
    this.#known = records
    return catalogueOf(records, revision, entries.get(RESOURCE_HEAD)?.revision ?? 0)
  }
}

async function pause(clock: Clock, durationMs: number, signal: AbortSignal): Promise<void> {
  await clock.sleep(durationMs, signal).catch(() => undefined)
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
