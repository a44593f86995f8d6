import { PurlinError } from '@purlin/base'
import type { StoreEntry } from '../store.ts'
import type { Cluster } from './cluster.ts'
import { MemberFailure, storeError } from './failure.ts'
import { encode, endOf, numberOf, paths, type RangeAnswer, type RangeRequest } from './gateway.ts'
import { entryOf } from './value.ts'

/** Keys of one page; fewer where their values are too large for one answer. */
const PAGE_KEYS = 1_000
/** A listing whose revision is compacted away under it begins again. */
const LIST_ATTEMPTS = 3

/** One entry, as it is at the newest revision. */
export async function readEntry(
  cluster: Cluster,
  root: string,
  key: string,
): Promise<StoreEntry | undefined> {
  const request: RangeRequest = { key: encode(root + key) }
  const { kvs = [] } = (await cluster.ask(`read ${key}`, paths.range, request)) as RangeAnswer
  return kvs[0] && entryOf(root, kvs[0])
}

/** The newest revision of the cluster. */
export async function readRevision(cluster: Cluster, root: string): Promise<number> {
  const request: RangeRequest = { key: encode(root), count_only: true }
  const { header } = (await cluster.ask('read the revision', paths.range, request)) as RangeAnswer
  return numberOf(header.revision)
}

/** Every entry of a prefix at one revision, page by page. Errors: as every read, and
 *  PUR_STORE_COMPACTED where compaction overtakes it again and again. */
export async function listEntries(
  cluster: Cluster,
  root: string,
  prefix: string,
  withLeased = true,
): Promise<{ readonly entries: readonly StoreEntry[]; readonly revision: number }> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await listOnce(cluster, root, prefix, withLeased)
    } catch (thrown) {
      const overtaken = thrown instanceof PurlinError && thrown.code === 'PUR_STORE_COMPACTED'
      if (!overtaken || attempt === LIST_ATTEMPTS) throw thrown
    }
  }
}

async function listOnce(cluster: Cluster, root: string, prefix: string, withLeased: boolean) {
  const doing = `list ${prefix}`
  const entries: StoreEntry[] = []
  let from = encode(root + prefix)
  let revision = 0
  for (let pageKeys = PAGE_KEYS; ; ) {
    const request: RangeRequest = {
      key: from,
      range_end: encode(endOf(root + prefix)),
      limit: String(pageKeys),
      ...(revision > 0 && { revision: String(revision) }),
    }
    let page: RangeAnswer
    try {
      page = (await cluster.call(doing, paths.range, request)).answer as RangeAnswer
    } catch (thrown) {
      if (!(thrown instanceof MemberFailure)) throw thrown
      if (!/larger than max/.test(thrown.message) || pageKeys === 1) throw storeError(doing, thrown)
      pageKeys = Math.ceil(pageKeys / 8)
      continue
    }
    const { header, kvs = [], more = false } = page
    if (revision === 0) revision = numberOf(header.revision)
    for (const one of kvs) {
      if (withLeased || one.lease === undefined) entries.push(entryOf(root, one))
    }
    const last = kvs.at(-1)
    if (!more || last === undefined) return { entries, revision }
    // The key right behind the last one.
    from = Buffer.concat([Buffer.from(last.key, 'base64'), Buffer.of(0)]).toString('base64')
  }
}
