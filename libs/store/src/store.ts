/** A key with its value. `revision` is the store's revision of the last write of the key,
 *  `createdRevision` that of its first, and `version` counts its writes from 1. */
export interface StoreEntry {
  readonly key: string
  /** JSON. */
  readonly value: unknown
  readonly revision: number
  readonly createdRevision: number
  readonly version: number
}

/** What must hold for a transaction: the key's last write has this revision; 0: no such key. */
export interface Guard {
  readonly key: string
  readonly revision: number
}

/** One write of a transaction. A key put with a lease vanishes with it; put again without one, it
 *  stays. */
export type Write =
  | { readonly put: string; readonly value: unknown; readonly lease?: string }
  | { readonly delete: string }

/** What a write changed, as watchers see it. */
export interface StoreChange {
  readonly type: 'put' | 'delete'
  readonly key: string
  readonly value?: unknown
  readonly revision: number
}

export interface Transaction {
  readonly guards?: readonly Guard[]
  /** Each key at most once. */
  readonly writes: readonly Write[]
}

export interface WatchOptions {
  /** Changes after this revision; absent: from now on. */
  readonly afterRevision?: number
  readonly signal: AbortSignal
}

/** Why a store did not answer when it was last asked, and since when it has not. */
export interface StoreTrouble {
  readonly message: string
  readonly sinceMs: number
}

/** A revisioned key-value store. One number, the revision, grows with every transaction that
 *  changes something: by one in a file of our own, by more where others write to the same etcd;
 *  what was written later has the higher one. Transactions that are asked for at once may be made
 *  in any order, except that a guard decides; wait for one to have it before the next. Keys are 1
 *  to 512 printable ASCII characters, such as `/resource/Port/web-1.eth0`; values are JSON of at
 *  most 1 MiB as text, so that every engine behind this interface holds them. */
export interface Store {
  get(key: string): Promise<StoreEntry | undefined>
  /** Entries whose key begins with `prefix`, by key, and the revision at which that was the
   *  truth. */
  list(
    prefix: string,
  ): Promise<{ readonly entries: readonly StoreEntry[]; readonly revision: number }>
  /** All or nothing. Answers once the change is on disk (of a majority, where there are several).
   *  A transaction that changes nothing (deletes of absent keys) keeps the revision. Errors:
   *  PUR_STORE_CONFLICT (context: `key`, `expected`, `found`), PUR_STORE_FULL, PUR_STORE_FAILED,
   *  PUR_STORE_TOO_LARGE, PUR_STORE_LEASE_GONE, PUR_INVALID, PUR_STORE_UNREACHABLE (context
   *  `uncertain`: whether it may have been made all the same). */
  transact(transaction: Transaction): Promise<{ readonly revision: number }>
  /** Batches of changes, one a revision, in order, none twice and none left out. Ends when the
   *  signal is aborted or the store is closed. A slow reader costs no memory: it reads from the
   *  kept history. A store that is away ends no watch: it goes on, by revision, when the store is
   *  back. Errors: PUR_STORE_COMPACTED when the history needed is gone (or was never there:
   *  a restored store); then list again and watch from that revision. */
  watch(prefix: string, options: WatchOptions): AsyncIterable<readonly StoreChange[]>
  /** Forgets changes before the revision; entries stay. */
  compact(beforeRevision: number): Promise<void>
  /** A lease that ends `ttlMs` after it was granted or last kept. After a restart of the store each
   *  lease has its whole time again. */
  grantLease(ttlMs: number): Promise<string>
  /** Errors: PUR_STORE_LEASE_GONE. */
  keepLease(id: string): Promise<void>
  /** Ends the lease and deletes its keys in one transaction. A lease that is gone is no error. */
  revokeLease(id: string): Promise<void>
  /** Writes a consistent copy to `file` (mode 0600), whole or not at all, as a state file of one
   *  host. Errors: PUR_STORE_FULL. */
  backup(file: string): Promise<void>
  /** Undefined while the store answers. */
  trouble(): StoreTrouble | undefined
  close(): Promise<void>
}
