import { type Clock, PurlinError, toPurlinError } from '@purlin/base'
import type { Store, StoreEntry } from '@purlin/store'
import { fenced, type MachineLease } from './lease.ts'
import { LEASES } from './machine-leases.ts'

/** etcd takes 128 operations a transaction. */
const LEASES_AT_ONCE = 50

export interface FenceGrounds {
  readonly store: Store
  readonly clock: Clock
  /** The key that stands while the host's agent is there. */
  readonly aliveKey: string
}

/** Takes from a host that is off the leases of its machines, so that others may start them; answers
 *  the names of those machines. Whoever asks has seen that the host is off: its machines would run
 *  twice otherwise. Errors: PUR_RESOURCE_IN_USE where its agent is there, PUR_STORE_*. */
export async function fenceHost(
  { store, clock, aliveKey }: FenceGrounds,
  host: string,
): Promise<readonly string[]> {
  const { entries } = await store.list(LEASES)
  const own = entries.filter(({ value }) => (value as MachineLease).holder?.host === host)
  for (let at = 0; at === 0 || at < own.length; at += LEASES_AT_ONCE) {
    await fenceSome(store, clock.nowMs(), aliveKey, host, own.slice(at, at + LEASES_AT_ONCE))
  }
  return own.map(({ key }) => key.slice(LEASES.length))
}

async function fenceSome(
  store: Store,
  nowMs: number,
  aliveKey: string,
  host: string,
  entries: readonly StoreEntry[],
): Promise<void> {
  const atMs = Math.round(nowMs)
  try {
    await store.transact({
      guards: [
        { key: aliveKey, revision: 0 },
        ...entries.map(({ key, revision }) => ({ key, revision })),
      ],
      writes: entries.map(({ key, value }) => ({
        put: key,
        value: fenced(value as MachineLease, atMs),
      })),
    })
  } catch (thrown) {
    const { code, context } = toPurlinError(thrown)
    if (code !== 'PUR_STORE_CONFLICT' || context.key !== aliveKey) throw thrown
    const message = `host ${host} is there: its agent keeps its lease, so it is not off. Power it off, see that it is, and ask again 10 s later`
    throw new PurlinError('PUR_RESOURCE_IN_USE', { message, cause: thrown })
  }
}

/** Forgets leases that nobody has, of machines that are no more. */
export async function trimLeases(
  store: Store,
  exists: (machine: string) => boolean,
): Promise<void> {
  const { entries } = await store.list(LEASES)
  for (const { key, value, revision } of entries) {
    const isHeld = (value as MachineLease).holder !== undefined
    if (isHeld || exists(key.slice(LEASES.length))) continue
    try {
      await store.transact({ guards: [{ key, revision }], writes: [{ delete: key }] })
    } catch (thrown) {
      // Somebody took it just now.
      if (toPurlinError(thrown).code !== 'PUR_STORE_CONFLICT') throw thrown
    }
  }
}
