import { createVirtualClock, PurlinError } from '@purlin/base'
import { openSqliteStore, type Store, type StoreEntry } from '@purlin/store'
import test, { type ExecutionContext } from 'ava'
import { mirrorPrefix } from './mirror.ts'

async function opened(t: ExecutionContext) {
  const clock = createVirtualClock(1_700_000_000_000)
  const store = await openSqliteStore({ file: ':memory:', clock })
  const stop = new AbortController()
  t.teardown(async () => {
    stop.abort()
    await store.close()
  })
  return { clock, store, signal: stop.signal }
}

/** A store that is away until `back` is called. */
function awayStore(store: Store): { readonly store: Store; back(): void } {
  let away = true
  const list: Store['list'] = async (prefix) => {
    if (away) throw new PurlinError('PUR_STORE_UNREACHABLE', { message: 'nobody answers' })
    return await store.list(prefix)
  }
  const proxied = new Proxy(store, {
    get: (target, name) => {
      if (name === 'list') return list
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return {
    store: proxied,
    back: () => {
      away = false
    },
  }
}

const keys = (entries: ReadonlyMap<string, StoreEntry>): string[] => [...entries.keys()].toSorted()
const turn = () => new Promise((resolve) => setImmediate(resolve))

test('a mirror has what is there, and follows it', async (t) => {
  const { store, clock, signal } = await opened(t)
  await store.transact({
    writes: [
      { put: '/m/a', value: 1 },
      { put: '/other', value: 1 },
    ],
  })
  const mirror = await mirrorPrefix({ store, prefix: '/m/', clock, signal })
  t.deepEqual(keys(mirror.current().entries), ['/m/a'])
  const { revision } = await store.transact({
    writes: [{ put: '/m/b', value: 2 }, { delete: '/m/a' }],
  })
  await turn()
  t.deepEqual(keys(mirror.current().entries), ['/m/b'])
  t.is(mirror.current().revision, revision)
})

test('a mirror whose history is gone reads anew and has lost nothing', async (t) => {
  const { store, clock, signal } = await opened(t)
  await store.transact({ writes: [{ put: '/m/a', value: 1 }] })
  const behind = new Proxy(store, {
    get: (target, name) => {
      const value = Reflect.get(target, name) as unknown
      if (name !== 'watch') return typeof value === 'function' ? value.bind(target) : value
      // The first watch begins where nothing is kept any more, as after an outage of days.
      return (prefix: string, options: Parameters<Store['watch']>[1]) =>
        target.watch(prefix, watches++ === 0 ? { ...options, afterRevision: 0 } : options)
    },
  })
  let watches = 0
  await store.transact({ writes: [{ delete: '/m/a' }] })
  const { revision } = await store.transact({ writes: [{ put: '/m/b', value: 2 }] })
  await store.compact(revision + 1)
  const mirror = await mirrorPrefix({ store: behind, prefix: '/m/', clock, signal })
  await turn()
  t.is(watches, 2)
  await store.transact({ writes: [{ put: '/m/c', value: 3 }] })
  await turn()
  t.deepEqual(keys(mirror.current().entries), ['/m/b', '/m/c'])
})

test('while the store is away a mirror shows what was known; then what is', async (t) => {
  const { store: whole, clock, signal } = await opened(t)
  await whole.transact({ writes: [{ put: '/m/now', value: 1 }] })
  const { store, back } = awayStore(whole)
  const before = { key: '/m/before', value: 1, revision: 5, createdRevision: 5, version: 1 }
  const cached = { entries: new Map([[before.key, before]]), revision: 5 }
  const mirror = await mirrorPrefix({ store, prefix: '/m/', clock, signal, cached })
  t.deepEqual(keys(mirror.current().entries), ['/m/before'])
  back()
  await clock.advance(500)
  await turn()
  t.deepEqual(keys(mirror.current().entries), ['/m/now'])
})
