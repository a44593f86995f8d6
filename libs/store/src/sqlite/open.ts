import { open } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { type Clock, PurlinError, systemClock } from '@purlin/base'
import type { Store, Transaction, WatchOptions } from '../store.ts'
import { writeBackup } from './backup.ts'
import { Committer } from './commit.ts'
import { storeFailure, unreadable } from './failure.ts'
import { createLayout, identify } from './format.ts'
import { Leases } from './lease.ts'
import { prepareTables } from './tables.ts'
import { CommitBell, followHistory } from './watch.ts'

const MEMORY = ':memory:'
const KEPT_REVISIONS = 20_000

export interface SqliteStoreOptions {
  /** A file in an existing folder, made with mode 0600 where absent; `:memory:` for none. */
  readonly file: string
  readonly clock?: Clock
  /** Changes of so many revisions are kept for watchers, 20,000 if absent; up to a tenth more while
   *  the next clearing is not due. */
  readonly keptRevisions?: number
}

/** Opens the store of one host. Errors: PUR_STORE_NEWER, PUR_STORE_UNREADABLE, PUR_STORE_FULL,
 *  PUR_STORE_FAILED, and PUR_AGENT_BUSY where another process, or this one, has it open. */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { file } = options
  let database: DatabaseSync | undefined
  try {
    if (file !== MEMORY) await makeFile(file)
    database = new DatabaseSync(file)
    takeOver(database, file)
    return new SqliteStore(database, options)
  } catch (thrown) {
    database?.close()
    throw storeFailure('open the state', file, thrown)
  }
}

/** SQLite would make the file with the mode of the umask; the state holds hashes of tokens. */
async function makeFile(file: string): Promise<void> {
  try {
    await (await open(file, 'a', 0o600)).close()
  } catch (thrown) {
    const error = storeFailure('open the state', file, thrown)
    if (error.code === 'PUR_STORE_FULL') throw error
    const found = thrown instanceof Error ? thrown.message : String(thrown)
    throw unreadable('open the state', file, found, thrown)
  }
}

/** Locks the file for this connection alone, checks that it is ours, and only then writes to it.
 *  The lock is the kernel's, so it ends with the process however that ends. synchronous=FULL: an
 *  answer means on disk. */
function takeOver(database: DatabaseSync, file: string): void {
  database.exec('PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE;')
  const found = identify(database, 'open the state', file)
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;')
  if (found === 'new') createLayout(database)
  database.exec('BEGIN IMMEDIATE; COMMIT;')
}

class SqliteStore implements Store {
  readonly #database: DatabaseSync
  readonly #file: string
  readonly #tables
  readonly #committer: Committer
  readonly #leases: Leases
  readonly #bell = new CommitBell()

  constructor(database: DatabaseSync, options: SqliteStoreOptions) {
    this.#database = database
    this.#file = options.file
    this.#tables = prepareTables(database)
    this.#committer = new Committer({
      database,
      tables: this.#tables,
      file: options.file,
      keptRevisions: options.keptRevisions ?? KEPT_REVISIONS,
      leaseStands: (id) => this.#leases.stands(id),
      onCommit: () => this.#bell.ring(),
    })
    this.#leases = new Leases(this.#tables, this.#committer, options.clock ?? systemClock)
  }

  async get(key: string) {
    return this.#read('read', () => this.#tables.entry(key))
  }

  async list(prefix: string) {
    return this.#read('list', () => ({
      entries: this.#tables.entries(prefix),
      revision: this.#committer.revision,
    }))
  }

  async transact(transaction: Transaction) {
    this.#assertOpen()
    return await this.#committer.transact(transaction)
  }

  watch(prefix: string, options: WatchOptions) {
    this.#assertOpen()
    return followHistory({
      tables: this.#tables,
      committer: this.#committer,
      bell: this.#bell,
      prefix,
      watch: {
        signal: options.signal,
        afterRevision: options.afterRevision ?? this.#committer.revision,
      },
    })
  }

  async compact(beforeRevision: number) {
    this.#assertOpen()
    this.#committer.compact(beforeRevision)
  }

  async grantLease(ttlMs: number) {
    this.#assertOpen()
    return await this.#leases.grant(ttlMs)
  }

  async keepLease(id: string) {
    this.#assertOpen()
    this.#leases.keep(id)
  }

  async revokeLease(id: string) {
    this.#assertOpen()
    await this.#leases.revoke(id)
  }

  async backup(file: string) {
    this.#assertOpen()
    await writeBackup(this.#database, file)
  }

  /** A file is there or fails for good. */
  trouble() {
    return undefined
  }

  async close() {
    if (this.#bell.closed) return
    this.#committer.flush()
    this.#leases.close()
    this.#bell.close()
    this.#database.close()
  }

  #read<Value>(doing: string, read: () => Value): Value {
    this.#assertOpen()
    try {
      return read()
    } catch (thrown) {
      throw storeFailure(doing, this.#file, thrown)
    }
  }

  #assertOpen(): void {
    if (!this.#bell.closed) return
    throw new PurlinError('PUR_STORE_FAILED', { message: `${this.#file}: the store is closed` })
  }
}
