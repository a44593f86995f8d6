import { PurlinError } from '@purlin/base'
import type { CarriedConnection } from '@purlin/netfilter'
import type { Store, Write } from '@purlin/store'

/** Connections of a port on their way to another host, in the store: it is there as long as moves
 *  are, and whichever agent is killed finds them again. */
const PREFIX = '/port-move/'
/** An entry is some 300 bytes of JSON, and a value of the store at most 1 MiB. */
const ENTRIES_AT_ONCE = 2_500
const MOST_ENTRIES = 100_000

/** Lays the entries of a port down; what lay there before goes. Answers how many were too many.
 *  Errors: PUR_STORE_*. */
export async function layDown(
  store: Store,
  port: string,
  entries: readonly CarriedConnection[],
): Promise<number> {
  const taken = entries.slice(0, MOST_ENTRIES)
  const former = new Set((await store.list(prefixOf(port))).entries.map(({ key }) => key))
  for (let start = 0; start < taken.length; start += ENTRIES_AT_ONCE) {
    const put = `${prefixOf(port)}${String(start).padStart(6, '0')}`
    former.delete(put)
    const value = taken.slice(start, start + ENTRIES_AT_ONCE).map(flat)
    await store.transact({ writes: [{ put, value }] })
  }
  if (former.size > 0) {
    await store.transact({ writes: [...former].map((key) => ({ delete: key })) })
  }
  return entries.length - taken.length
}

/** The entries that lie there for a port, and the writes that take them away. Errors:
 *  PUR_STORE_*. */
export async function pickUp(
  store: Store,
  port: string,
): Promise<{ readonly entries: readonly CarriedConnection[]; readonly away: readonly Write[] }> {
  const found = (await store.list(prefixOf(port))).entries
  return {
    entries: found.flatMap(({ value }) => (value as unknown[]).map(whole)),
    away: found.map(({ key }) => ({ delete: key })),
  }
}

function prefixOf(port: string): string {
  return `${PREFIX}${port}/`
}

function flat({ family, attributes }: CarriedConnection): string {
  return `${family} ${attributes}`
}

function whole(text: unknown): CarriedConnection {
  const [family = '', attributes] = typeof text === 'string' ? text.split(' ') : []
  if (attributes !== undefined) return { family: Number(family), attributes }
  const message = 'a connection on its way to this host cannot be read: another agent wrote it'
  throw new PurlinError('PUR_INTERNAL', { message })
}
