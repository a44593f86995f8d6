import { PurlinError } from '@purlin/base'
import type { Store, StoreEntry, Transaction } from '@purlin/store'

/** What a crash takes with it: everything that asks after it is answered no more. */
export interface Session {
  alive: boolean
  /** Called at each write and at each call of a BMC, before and after it has an effect. */
  point(): void
}

/** The records of a store in memory, which outlive the sessions that use them. */
export class MemoryRecords {
  readonly #entries = new Map<string, StoreEntry>()
  #revision = 0

  /** The store as one session sees it. */
  open(session: Session): Pick<Store, 'get' | 'list' | 'transact'> {
    return {
      get: async (key) => {
        check(session)
        return this.#entries.get(key)
      },
      list: async (prefix) => {
        check(session)
        const entries = [...this.#entries.values()]
          .filter(({ key }) => key.startsWith(prefix))
          .toSorted((one, two) => (one.key < two.key ? -1 : 1))
        return { entries, revision: this.#revision }
      },
      transact: async (transaction) => {
        check(session)
        session.point()
        check(session)
        const answer = this.#transact(transaction)
        session.point()
        check(session)
        return answer
      },
    }
  }

  #transact({ guards = [], writes }: Transaction): { readonly revision: number } {
    for (const { key, revision } of guards) {
      if ((this.#entries.get(key)?.revision ?? 0) !== revision) {
        throw new PurlinError('PUR_STORE_CONFLICT', { message: `${key} has another revision` })
      }
    }
    const keys = writes.map((write) => ('delete' in write ? write.delete : write.put))
    if (new Set(keys).size < keys.length) throw new Error(`a key is written twice: ${keys}`)
    this.#revision += 1
    for (const write of writes) {
      if ('delete' in write) this.#entries.delete(write.delete)
      else {
        const value: unknown = JSON.parse(JSON.stringify(write.value))
        const entry = { key: write.put, value, revision: this.#revision }
        this.#entries.set(write.put, { ...entry, createdRevision: this.#revision, version: 1 })
      }
    }
    return { revision: this.#revision }
  }
}

/** Errors: PUR_CANCELLED once the session is over. */
export function check({ alive }: Session): void {
  if (!alive) throw new PurlinError('PUR_CANCELLED', { message: 'the daemon is gone' })
}
