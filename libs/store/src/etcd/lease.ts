import { PurlinError } from '@purlin/base'
import type { Cluster } from './cluster.ts'
import { numberOf, paths } from './gateway.ts'
import { leaseNumber } from './transact.ts'

const SECOND_MS = 1_000

/** Grants a lease. etcd counts in seconds and has a least time of its own, so it may be longer. */
export async function grantLease(cluster: Cluster, ttlMs: number): Promise<string> {
  const request = { TTL: String(Math.ceil(ttlMs / SECOND_MS)) }
  const answer = (await cluster.ask('grant a lease', paths.grant, request)) as { ID?: string }
  return String(answer.ID)
}

/** Gives a lease its whole time again. Errors: PUR_STORE_LEASE_GONE. */
export async function keepLease(cluster: Cluster, id: string): Promise<void> {
  const request = { ID: leaseNumber(id) }
  const answer = await cluster.ask(`keep lease ${id}`, paths.keepAlive, request)
  const { result } = answer as { result?: { TTL?: string } }
  if (numberOf(result?.TTL) > 0) return
  throw new PurlinError('PUR_STORE_LEASE_GONE', {
    message: `lease ${id}: has ended; ask for a new one`,
    context: { lease: id },
  })
}

/** Ends a lease; one that is gone is no error. */
export async function revokeLease(cluster: Cluster, id: string): Promise<void> {
  try {
    await cluster.ask(`end lease ${id}`, paths.revoke, { ID: leaseNumber(id) })
  } catch (thrown) {
    if (!(thrown instanceof PurlinError && thrown.code === 'PUR_STORE_LEASE_GONE')) throw thrown
  }
}
