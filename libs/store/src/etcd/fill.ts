import { isDeepStrictEqual } from 'node:util'
import { PurlinError, systemClock } from '@purlin/base'
import type { StoreEntry, Write } from '../store.ts'
import { Cluster } from './cluster.ts'
import { encode, endOf, paths } from './gateway.ts'
import { clusterOptions, type EtcdStoreOptions, rootOf } from './open.ts'
import { listEntries, readEntry } from './read.ts'
import { transact } from './transact.ts'

/** While it stands, the entries beside it may not be whole. */
export const MOVING = '/moving'
/** Of one transaction; etcd takes 1.5 MiB. */
const WRITES_LIMIT = 500
const SIZE_LIMIT_BYTES = 512 * 1024

/** Whose entries they are, and what makes them count. */
export interface FillOrder {
  readonly entries: readonly StoreEntry[]
  /** Names who moves: what an earlier call of the same left half done is taken away first. */
  readonly who: string
  /** Called once all is there and equal. Until it has ended well the move can be made again. */
  readonly decide: () => Promise<void>
}

/** Writes the entries of another store into a prefix of etcd where nothing is yet, reads them back
 *  and compares. Entries that were of one revision are of one again. Whatever fails on the way,
 *  nothing is left, or something that the next call takes away. Errors: PUR_STORE_OCCUPIED,
 *  PUR_STORE_FAILED where it reads back other than it was, those of `decide` and of the store. */
export async function fillEtcd(
  options: EtcdStoreOptions,
  { entries, who, decide }: FillOrder,
): Promise<void> {
  const root = rootOf(options)
  const clock = options.clock ?? systemClock
  const cluster = new Cluster(clusterOptions(options, clock))
  try {
    const revision = await claim(cluster, root, { who, sinceMs: clock.nowMs() })
    const guards = [{ key: MOVING, revision }]
    try {
      for (const writes of portions(entries)) await transact(cluster, root, { guards, writes })
      await compare(cluster, root, entries)
      await decide()
    } catch (thrown) {
      await clear(cluster, root).catch(() => undefined)
      throw thrown
    }
    // It counts from here on; who opens the store takes the mark away where this does not.
    await transact(cluster, root, { writes: [{ delete: MOVING }] }).catch(() => undefined)
  } finally {
    cluster.close()
  }
}

/** Takes an empty prefix, or one that the same has left half done. */
async function claim(
  cluster: Cluster,
  root: string,
  value: { readonly who: string; readonly sinceMs: number },
): Promise<number> {
  const left = (await readEntry(cluster, root, MOVING))?.value as { who?: string } | undefined
  if (left?.who === value.who) await clear(cluster, root)
  const empty = {
    target: 'CREATE',
    result: 'EQUAL',
    key: encode(`${root}/`),
    range_end: encode(endOf(`${root}/`)),
    create_revision: '0',
  } as const
  try {
    const writes = [{ put: MOVING, value }]
    return (await transact(cluster, root, { writes }, [empty])).revision
  } catch (cause) {
    if (!(cause instanceof PurlinError) || cause.code !== 'PUR_STORE_CONFLICT') throw cause
    const message = `move to etcd: there are keys below ${root}/ already; name another prefix, or look what they are`
    throw new PurlinError('PUR_STORE_OCCUPIED', { message, cause })
  }
}

async function clear(cluster: Cluster, root: string): Promise<void> {
  const range = { key: encode(`${root}/`), range_end: encode(endOf(`${root}/`)) }
  const request = { compare: [], success: [{ request_delete_range: range }], failure: [] }
  await cluster.ask('take away what was half moved', paths.txn, request)
}

/** The entries in the order of their revisions, in transactions that are neither too many nor too
 *  large; what had one revision stays together as long as it fits. */
function* portions(entries: readonly StoreEntry[]): Generator<readonly Write[]> {
  const groups = Map.groupBy(
    entries.toSorted((a, b) => a.revision - b.revision),
    ({ revision }) => revision,
  )
  let writes: Write[] = []
  let sizeBytes = 0
  for (const group of groups.values()) {
    const groupBytes = group.reduce((sum, entry) => sum + sizeOf(entry), 0)
    if (sizeBytes + groupBytes > SIZE_LIMIT_BYTES || writes.length + group.length > WRITES_LIMIT) {
      if (writes.length > 0) yield writes
      writes = []
      sizeBytes = 0
    }
    for (const entry of group) {
      if (writes.length > 0 && sizeBytes + sizeOf(entry) > SIZE_LIMIT_BYTES) {
        yield writes
        writes = []
        sizeBytes = 0
      }
      writes.push({ put: entry.key, value: entry.value })
      sizeBytes += sizeOf(entry)
    }
  }
  if (writes.length > 0) yield writes
}

function sizeOf({ key, value }: StoreEntry): number {
  return key.length + Buffer.byteLength(JSON.stringify(value))
}

async function compare(
  cluster: Cluster,
  root: string,
  entries: readonly StoreEntry[],
): Promise<void> {
  const found = new Map(
    (await listEntries(cluster, root, '/')).entries.map(({ key, value }) => [key, value]),
  )
  found.delete(MOVING)
  const wrong = entries.filter(({ key, value }) => !isDeepStrictEqual(found.get(key), value))
  if (wrong.length === 0 && found.size === entries.length) return
  const named = wrong.slice(0, 3).map(({ key }) => key)
  throw new PurlinError('PUR_STORE_FAILED', {
    message: `move to etcd: ${found.size} of ${entries.length} entries were read back, ${wrong.length} other than they were (${named.join(', ')}); nothing was moved`,
  })
}
