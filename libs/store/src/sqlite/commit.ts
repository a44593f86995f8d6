import type { DatabaseSync } from 'node:sqlite'
import { PurlinError } from '@purlin/base'
import { type CheckedWrite, checkWrites } from '../limits.ts'
import type { Guard, Transaction } from '../store.ts'
import { storeFailure } from './failure.ts'
import type { Tables } from './tables.ts'

interface Waiting {
  readonly guards: readonly Guard[]
  readonly writes: readonly CheckedWrite[]
  /** What else belongs to the same transaction, such as the end of a lease. */
  readonly also: () => void
  readonly resolve: (outcome: { readonly revision: number }) => void
  readonly reject: (error: PurlinError) => void
}

export interface CommitterOptions {
  readonly database: DatabaseSync
  readonly tables: Tables
  readonly file: string
  /** Changes of so many revisions are kept for watchers; older ones are forgotten by and by. */
  readonly keptRevisions: number
  readonly leaseStands: (id: string) => boolean
  readonly onCommit: () => void
}

/** Commits transactions. Those asked for in one turn of the event loop share one commit, and so one
 *  wait for the disk; each still succeeds or fails alone and has a revision of its own. */
export class Committer {
  readonly #options: CommitterOptions
  #revision: number
  #compacted: number
  #waiting: Waiting[] = []

  constructor(options: CommitterOptions) {
    this.#options = options
    this.#revision = options.tables.setting('revision')
    this.#compacted = options.tables.setting('compacted')
  }

  /** The revision of the last commit. */
  get revision(): number {
    return this.#revision
  }

  /** Changes up to this revision are forgotten. */
  get compacted(): number {
    return this.#compacted
  }

  /** Queues the transaction for the commit of this turn. */
  async transact(
    transaction: Transaction,
    also: () => void = () => {},
  ): Promise<{ readonly revision: number }> {
    const writes = checkWrites(transaction)
    return await new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) queueMicrotask(() => this.flush())
      this.#waiting.push({ guards: transaction.guards ?? [], writes, also, resolve, reject })
    })
  }

  /** Commits what waits, now. */
  flush(): void {
    const batch = this.#waiting
    this.#waiting = []
    if (batch.length > 0) this.#commit(batch)
  }

  /** Forgets the changes before the revision. */
  compact(beforeRevision: number): void {
    this.flush()
    const upTo = Math.min(beforeRevision - 1, this.#revision)
    if (upTo <= this.#compacted) return
    try {
      this.#begin()
      this.#forget(upTo)
      this.#options.database.exec('COMMIT')
    } catch (thrown) {
      this.#rollback()
      throw storeFailure('compact', this.#options.file, thrown)
    }
    this.#compacted = upTo
  }

  #commit(batch: readonly Waiting[]): void {
    let revision = this.#revision
    let compacted = this.#compacted
    const settle: (() => void)[] = []
    try {
      this.#begin()
      for (const each of batch) {
        const refusal = this.#refusal(each)
        if (refusal !== undefined) {
          settle.push(() => each.reject(refusal))
          continue
        }
        if (this.#write(each.writes, revision + 1)) revision += 1
        each.also()
        const reached = revision
        settle.push(() => each.resolve({ revision: reached }))
      }
      if (revision !== this.#revision) this.#options.tables.set('revision', revision)
      const kept = this.#options.keptRevisions
      if (revision - compacted > kept * 1.1) {
        compacted = revision - kept
        this.#forget(compacted)
      }
      this.#options.database.exec('COMMIT')
    } catch (thrown) {
      this.#rollback()
      this.#failed(batch, thrown)
      return
    }
    const changed = revision !== this.#revision
    this.#revision = revision
    this.#compacted = compacted
    for (const one of settle) one()
    if (changed) this.#options.onCommit()
  }

  /** A batch that does not fit is tried one by one: the transaction that is too large fails
   *  alone. */
  #failed(batch: readonly Waiting[], thrown: unknown): void {
    if (batch.length > 1) {
      for (const each of batch) this.#commit([each])
      return
    }
    batch[0]?.reject(storeFailure('write to', this.#options.file, thrown))
  }

  #refusal({ guards, writes }: Waiting): PurlinError | undefined {
    for (const { key, revision } of guards) {
      const found = this.#options.tables.entry(key)?.revision ?? 0
      if (found !== revision) return conflict(key, revision, found)
    }
    for (const write of writes) {
      if (write.type === 'put' && write.lease !== undefined) {
        if (!this.#options.leaseStands(write.lease)) return leaseGone(write.lease)
      }
    }
    return undefined
  }

  /** Whether anything changed. */
  #write(writes: readonly CheckedWrite[], revision: number): boolean {
    const { tables } = this.#options
    let ordinal = 0
    for (const write of writes) {
      const before = tables.entry(write.key)
      if (write.type === 'put') {
        const createdRevision = before?.createdRevision ?? revision
        const version = (before?.version ?? 0) + 1
        tables.put({ key: write.key, createdRevision, revision, version }, write.text, write.lease)
        tables.remember(revision, ordinal++, write.key, write.text)
      } else if (before !== undefined) {
        tables.delete(write.key)
        tables.remember(revision, ordinal++, write.key, null)
      }
    }
    return ordinal > 0
  }

  #forget(upToRevision: number): void {
    this.#options.tables.forget(upToRevision)
    this.#options.tables.set('compacted', upToRevision)
  }

  #begin(): void {
    this.#options.database.exec('BEGIN IMMEDIATE')
  }

  /** SQLite has already rolled back by itself after some errors, a full disk among them. */
  #rollback(): void {
    if (this.#options.database.isTransaction) this.#options.database.exec('ROLLBACK')
  }
}

/** The error for a lease that has ended. */
export function leaseGone(id: string): PurlinError {
  return new PurlinError('PUR_STORE_LEASE_GONE', {
    message: `lease ${id}: has ended or was never granted; ask for a new one`,
    context: { lease: id },
  })
}

function conflict(key: string, expected: number, found: number): PurlinError {
  const state = found === 0 ? 'does not exist' : `has revision ${found}`
  const wanted = expected === 0 ? 'it should not exist' : `revision ${expected} was expected`
  return new PurlinError('PUR_STORE_CONFLICT', {
    message: `write to ${key}: it ${state}, ${wanted}; read it again and decide anew`,
    context: { key, expected, found },
  })
}
