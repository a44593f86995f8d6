import { type Clock, PurlinError, systemClock } from '@purlin/base'
import { makeStateFile } from '../sqlite/make.ts'
import type { Store, Transaction, WatchOptions } from '../store.ts'
import { Cluster, type ClusterOptions } from './cluster.ts'
import { paths } from './gateway.ts'
import { grantLease, keepLease, revokeLease } from './lease.ts'
import type { EtcdCredentials } from './member.ts'
import { listEntries, readEntry, readRevision } from './read.ts'
import { transact } from './transact.ts'
import { followChanges } from './watch.ts'

export interface EtcdStoreOptions extends EtcdCredentials {
  /** `https://HOST:PORT` of each member. */
  readonly endpoints: readonly string[]
  /** What all keys of this fleet begin with, such as `/purlin/dc1`: several may share a cluster. */
  readonly prefix: string
  readonly clock?: Clock
  /** How long one member has for an answer, 2 s if absent. */
  readonly attemptMs?: number
  /** How long a call may take with all members tried, 8 s if absent. */
  readonly deadlineMs?: number
}

const ATTEMPT_MS = 2_000
const DEADLINE_MS = 8_000
const PREFIX = /^\/[\x21-\x7e]{1,100}$/

/** Opens the store of a fleet. Nothing is sent before the first call, so it opens also while etcd
 *  is away. Errors: PUR_INVALID for addresses and a prefix that cannot be. */
export function openEtcdStore(options: EtcdStoreOptions): Store {
  if (!PREFIX.test(options.prefix)) {
    const message = `store prefix ${options.prefix}: must begin with / and have 1 to 100 printable characters without spaces`
    throw new PurlinError('PUR_INVALID', { message })
  }
  for (const endpoint of options.endpoints) {
    if (URL.canParse(endpoint) && new URL(endpoint).protocol === 'https:') continue
    const message = `etcd endpoint ${endpoint}: must be https://HOST:PORT; etcd is spoken to over TLS alone`
    throw new PurlinError('PUR_INVALID', { message })
  }
  return new EtcdStore(options)
}

class EtcdStore implements Store {
  readonly #root: string
  readonly #cluster: Cluster
  /** Reads of the present revision for watches that begin now: writes asked for later come
   *  after. */
  #beginnings: Promise<unknown> = Promise.resolve()

  constructor(options: EtcdStoreOptions) {
    this.#root = rootOf(options)
    this.#cluster = new Cluster(clusterOptions(options, options.clock ?? systemClock))
  }

  async get(key: string) {
    return await readEntry(this.#cluster, this.#root, key)
  }

  async list(prefix: string) {
    return await listEntries(this.#cluster, this.#root, prefix)
  }

  async transact(transaction: Transaction) {
    await this.#beginnings
    return await transact(this.#cluster, this.#root, transaction)
  }

  watch(prefix: string, options: WatchOptions) {
    this.#assertOpen('watch')
    const { afterRevision, signal } = options
    if (afterRevision !== undefined) {
      return followChanges(this.#cluster, this.#root, prefix, {
        from: async () => afterRevision,
        signal,
      })
    }
    const now = readRevision(this.#cluster, this.#root)
    this.#beginnings = Promise.allSettled([this.#beginnings, now])
    let first = true
    const from = async (): Promise<number> => {
      if (!first) return await readRevision(this.#cluster, this.#root)
      first = false
      return await now
    }
    return followChanges(this.#cluster, this.#root, prefix, { from, signal })
  }

  async compact(beforeRevision: number) {
    const newest = await readRevision(this.#cluster, this.#root)
    const revision = Math.min(beforeRevision - 1, newest)
    if (revision < 1) return
    const request = { revision: String(revision) }
    try {
      await this.#cluster.ask('compact', paths.compaction, request)
    } catch (thrown) {
      // Somebody else has compacted further.
      if (!(thrown instanceof PurlinError && thrown.code === 'PUR_STORE_COMPACTED')) throw thrown
    }
  }

  async grantLease(ttlMs: number) {
    return await grantLease(this.#cluster, ttlMs)
  }

  async keepLease(id: string) {
    await keepLease(this.#cluster, id)
  }

  async revokeLease(id: string) {
    await revokeLease(this.#cluster, id)
  }

  /** Keys of leases are left out: what vanishes by itself must not come back to stay. */
  async backup(file: string) {
    const { entries, revision } = await listEntries(this.#cluster, this.#root, '', false)
    await makeStateFile(file, entries, revision)
  }

  trouble() {
    return this.#cluster.trouble
  }

  async close() {
    this.#cluster.close()
  }

  #assertOpen(doing: string): void {
    if (!this.#cluster.closing.aborted) return
    throw new PurlinError('PUR_STORE_FAILED', { message: `${doing}: the store is closed` })
  }
}

/** What all keys of the store begin with. */
export function rootOf({ prefix }: Pick<EtcdStoreOptions, 'prefix'>): string {
  return prefix.replace(/\/+$/, '')
}

/** How the cluster of the options is spoken to. */
export function clusterOptions(options: EtcdStoreOptions, clock: Clock): ClusterOptions {
  const { endpoints, ca, certificate, key } = options
  return {
    endpoints,
    credentials: { ca, certificate, key },
    clock,
    attemptMs: options.attemptMs ?? ATTEMPT_MS,
    deadlineMs: options.deadlineMs ?? DEADLINE_MS,
  }
}
