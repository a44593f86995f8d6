import type { Clock } from '@purlin/base'
import { newIdentifier } from '@purlin/base'
import { type Committer, leaseGone } from './commit.ts'
import type { Tables } from './tables.ts'

/** How long the end of a lease waits after its keys could not be deleted, say on a full disk. */
const RETRY_MS = 1_000

interface Lease {
  readonly ttlMs: number
  readonly stop: AbortController
  endsAtMs: number
  /** Its time is over; it stays known until its keys are deleted. */
  ended: boolean
}

/** The leases of a store: those that stand, and the wait for the end of each. The time left is not
 *  on disk: after a restart each lease has its whole time again, as etcd does after a change of
 *  leader. */
export class Leases {
  readonly #tables: Tables
  readonly #committer: Committer
  readonly #clock: Clock
  readonly #standing = new Map<string, Lease>()

  constructor(tables: Tables, committer: Committer, clock: Clock) {
    this.#tables = tables
    this.#committer = committer
    this.#clock = clock
    for (const { id, ttlMs } of tables.leases()) this.#start(id, ttlMs)
  }

  stands(id: string): boolean {
    return this.#standing.get(id)?.ended === false
  }

  async grant(ttlMs: number): Promise<string> {
    const id = newIdentifier(this.#clock.nowMs())
    await this.#committer.transact({ writes: [] }, () => this.#tables.addLease(id, ttlMs))
    this.#start(id, ttlMs)
    return id
  }

  keep(id: string): void {
    const lease = this.#standing.get(id)
    if (lease === undefined || lease.ended) throw leaseGone(id)
    lease.endsAtMs = this.#clock.monotonicMs() + lease.ttlMs
  }

  async revoke(id: string): Promise<void> {
    const lease = this.#standing.get(id)
    lease?.stop.abort()
    await this.#end(id, lease)
  }

  close(): void {
    for (const lease of this.#standing.values()) lease.stop.abort()
    this.#standing.clear()
  }

  #start(id: string, ttlMs: number): void {
    const endsAtMs = this.#clock.monotonicMs() + ttlMs
    const lease = { ttlMs, stop: new AbortController(), endsAtMs, ended: false }
    this.#standing.set(id, lease)
    // Rejects only when the lease is revoked or the store closes; then there is nothing left to
    // wait for.
    this.#waitForEnd(id, lease).catch(() => {})
  }

  async #waitForEnd(id: string, lease: Lease): Promise<void> {
    const { signal } = lease.stop
    for (;;) {
      const leftMs = lease.endsAtMs - this.#clock.monotonicMs()
      if (leftMs <= 0) break
      await this.#clock.sleep(leftMs, signal)
    }
    while (!signal.aborted) {
      try {
        await this.#end(id, lease)
        return
      } catch {
        await this.#clock.sleep(RETRY_MS, signal)
      }
    }
  }

  async #end(id: string, lease: Lease | undefined): Promise<void> {
    // What waits may put keys under the lease; once it has ended no transaction can.
    this.#committer.flush()
    if (lease !== undefined) lease.ended = true
    const writes = this.#tables.keysOfLease(id).map((key) => ({ delete: key }))
    await this.#committer.transact({ writes }, () => this.#tables.dropLease(id))
    this.#standing.delete(id)
  }
}
