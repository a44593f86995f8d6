import { createHash } from 'node:crypto'
import { readFile, realpath, stat } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import { type Clock, PurlinError } from '@purlin/base'
import { deviceFacts } from '@purlin/cache-native'
import type { CacheLock, CacheLockRequest } from '@purlin/schema'
import type { Store } from '@purlin/store'

const PREFIX = '/cache-locks/'
const RISK =
  'The device alone lacks what is dirty on the SSDs, and nothing on it says so: who uses it without its cache reads old bytes and ruins what is written later. If the only SSD dies, what is dirty is lost.'

/** What locks are kept with. */
export interface CacheLockGrounds {
  readonly store: Store
  readonly clock: Clock
  readonly host: string
}

/** Every lock of the fleet, by host and name. Errors: PUR_STORE_*. */
export async function listCacheLocks(store: Store): Promise<CacheLock[]> {
  const { entries } = await store.list(PREFIX)
  const locks = entries.map(({ value }) => value as CacheLock)
  const key = ({ host, name }: CacheLock): string => `${host} ${name}`
  return locks.toSorted((one, other) => (key(one) < key(other) ? -1 : 1))
}

/** Keeps a device for a cache of this host, in writeback; the answer is the lock there is. Errors:
 *  PUR_CACHE_LOCKED when another cache has it or the name is that of another device’s cache,
 *  PUR_INVALID for an origin that is none, PUR_STORE_*. */
export async function lockOrigin(
  { store, clock, host }: CacheLockGrounds,
  { name, origin, devices, writeback }: CacheLockRequest,
): Promise<CacheLock | undefined> {
  const identity = await identityOf(origin, host)
  const own = (await listCacheLocks(store)).find((each) => each.host === host && each.name === name)
  if (own !== undefined && own.identity !== identity) {
    const message = `${name} is the cache of ${own.origin} here, which lacks what it has; give the cache of ${origin} another name`
    throw new PurlinError('PUR_CACHE_LOCKED', { message, context: { lock: own } })
  }
  const key = keyOf(identity)
  const entry = await store.get(key)
  const found = entry?.value as CacheLock | undefined
  if (found !== undefined && (found.host !== host || found.name !== name)) {
    throw lockedOut(`it is not used for cache ${name}`, found)
  }
  if (!writeback) return found
  const sinceMs = found?.sinceMs ?? clock.nowMs()
  const value: CacheLock = { name, host, origin, identity, devices, sinceMs, risk: RISK }
  // Of two hosts that want it at once one comes too late.
  const guards = [{ key, revision: entry?.revision ?? 0 }]
  await store.transact({ guards, writes: [{ put: key, value }] })
  return value
}

/** Forgets the lock of a cache of this host. Errors: PUR_STORE_*. */
export async function releaseOrigin(
  { store, host }: CacheLockGrounds,
  name: string,
): Promise<void> {
  const own = (await listCacheLocks(store)).find((each) => each.host === host && each.name === name)
  if (own !== undefined) await store.transact({ writes: [{ delete: keyOf(own.identity) }] })
}

/** That a device is some cache’s, and what to do. */
export function lockedOut(why: string, lock: CacheLock): PurlinError {
  const { origin, host, name, devices } = lock
  return new PurlinError('PUR_CACHE_LOCKED', {
    message: `${origin} lacks what ${devices.join(', ')} on ${host} has; ${why}. Serve it there as ${name}, and bring all home: purlin cache mode ${name} writethrough`,
    context: { lock },
  })
}

/** What tells a device from others: an NBD address as it is, a device by its name of the world,
 *  with the number of a partition; anything else by its path on this host. Errors: PUR_INVALID. */
export async function identityOf(origin: string, host: string): Promise<string> {
  if (origin.includes('://')) return origin
  const path = isAbsolute(origin) ? await realpath(origin).catch(() => undefined) : undefined
  if (path === undefined) {
    const message = `${origin}: an absolute path of something that is there is needed`
    throw new PurlinError('PUR_INVALID', { message })
  }
  const found = await stat(path)
  const facts = found.isBlockDevice() ? await deviceFacts(path) : undefined
  if (facts === undefined || facts.identity === facts.disk) return `${host}:${path}`
  // As makedev(3) of glibc has it.
  const minor = (found.rdev % 256) + Math.floor(found.rdev / 1_048_576) * 256
  const major = Math.floor(found.rdev / 256) % 4096
  const file = `/sys/dev/block/${major}:${minor}/partition`
  const partition = await readFile(file, 'utf8').catch(() => '')
  return partition === '' ? facts.identity : `${facts.identity}-part${partition.trim()}`
}

function keyOf(identity: string): string {
  return `${PREFIX}${createHash('sha256').update(identity).digest('hex').slice(0, 32)}`
}
