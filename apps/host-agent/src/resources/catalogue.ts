import type { Kind, KnownNames, Manifest } from '@purlin/schema'
import type { Store } from '@purlin/store'
import { RESOURCE_PREFIX, type ResourceRecord, resourceKey, type StoredRecord } from './record.ts'

/** All resources at one revision; values never change, a new revision is a new catalogue. */
export interface Catalogue {
  /** Store revision of the newest change in it. */
  readonly revision: number
  get<K extends Kind>(kind: K, name: string): StoredRecord<K> | undefined
  list<K extends Kind>(kind: K): readonly StoredRecord<K>[]
  all(): readonly StoredRecord[]
}

/** The store's resources kept in memory, so that planning never waits for the store. */
export interface CatalogueFollower {
  current(): Catalogue
  /** Resolves when the catalogue has caught up with a revision that was just written. */
  reached(revision: number): Promise<void>
  onChange(listener: (catalogue: Catalogue) => void): void
  /** Ends with an error when the store's watch breaks. */
  readonly ended: Promise<void>
}

/** A catalogue over records by their key. Pure. */
export function catalogueOf(
  records: ReadonlyMap<string, StoredRecord>,
  revision: number,
): Catalogue {
  const sorted = [...records.values()].toSorted(
    (a, b) => a.createdAtMs - b.createdAtMs || compareText(a.manifest.name, b.manifest.name),
  )
  return {
    revision,
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

/** Reads all resources and follows their changes until `signal` is aborted. */
export async function followCatalogue(
  store: Store,
  signal: AbortSignal,
): Promise<CatalogueFollower> {
  const { entries, revision } = await store.list(RESOURCE_PREFIX)
  const records = new Map<string, StoredRecord>(
    entries.map((entry) => [entry.key, recordOf(entry.value, entry.revision)]),
  )
  let catalogue = catalogueOf(records, revision)
  const listeners = new Set<(catalogue: Catalogue) => void>()
  const waiting = new Set<{ revision: number; resolve: () => void }>()
  const follow = async (): Promise<void> => {
    for await (const changes of store.watch(RESOURCE_PREFIX, { afterRevision: revision, signal })) {
      for (const change of changes) {
        if (change.type === 'delete') records.delete(change.key)
        else records.set(change.key, recordOf(change.value, change.revision))
      }
      catalogue = catalogueOf(new Map(records), changes.at(-1)?.revision ?? catalogue.revision)
      for (const listener of listeners) listener(catalogue)
      for (const one of waiting) {
        if (one.revision > catalogue.revision) continue
        waiting.delete(one)
        one.resolve()
      }
    }
  }
  const ended = follow()
  return {
    current: () => catalogue,
    onChange: (listener) => void listeners.add(listener),
    ended,
    reached: (wanted) =>
      wanted <= catalogue.revision
        ? Promise.resolve()
        : new Promise((resolve) => waiting.add({ revision: wanted, resolve })),
  }
}

function recordOf(value: unknown, revision: number): StoredRecord {
  return { ...(value as ResourceRecord), revision }
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
