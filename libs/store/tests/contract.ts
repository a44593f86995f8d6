import { createVirtualClock, PurlinError, systemClock, type VirtualClock } from '@purlin/base'
import type { ExecutionContext } from 'ava'
import fc from 'fast-check'
import type { Store, StoreChange, Write } from '../src/store.ts'

/** Opens an empty store for one test. */
export type OpenStore = (t: ExecutionContext, clock: VirtualClock) => Promise<Store>

/** How time passes for an engine: its leases last `leaseMs`, and `pass` lets time go by. */
export interface ContractTime {
  readonly leaseMs: number
  readonly pass: (clock: VirtualClock, durationMs: number) => Promise<void>
}

const virtualTime: ContractTime = {
  leaseMs: 1_000,
  pass: (clock, durationMs) => clock.advance(durationMs),
}

/** What every engine behind the store's interface promises, as tests. A revision that a test
 *  expects to grow by one does so where nobody else writes to the engine meanwhile. */
export function storeContract(
  test: (title: string, body: (t: ExecutionContext) => Promise<void>) => void,
  engine: string,
  open: OpenStore,
  { leaseMs, pass }: ContractTime = virtualTime,
): void {
  const title = (fact: string): string => `${engine}: ${fact}`
  const opened = async (t: ExecutionContext) => {
    const clock = createVirtualClock(1_700_000_000_000)
    const store = await open(t, clock)
    t.teardown(() => store.close())
    return { store, clock }
  }

  test(title('a put entry is read back with its revisions and version'), async (t) => {
    const { store } = await opened(t)
    t.is(await store.get('/a'), undefined)
    const first = await store.transact({ writes: [{ put: '/a', value: { n: 1 } }] })
    const second = await store.transact({ writes: [{ put: '/a', value: { n: 2 } }] })
    t.is(second.revision, first.revision + 1)
    t.deepEqual(await store.get('/a'), {
      key: '/a',
      value: { n: 2 },
      revision: second.revision,
      createdRevision: first.revision,
      version: 2,
    })
  })

  test(title('a deleted and remade entry counts from one again'), async (t) => {
    const { store } = await opened(t)
    await store.transact({ writes: [{ put: '/a', value: 1 }] })
    await store.transact({ writes: [{ delete: '/a' }] })
    t.is(await store.get('/a'), undefined)
    const { revision } = await store.transact({ writes: [{ put: '/a', value: 2 }] })
    const entry = await store.get('/a')
    t.is(entry?.version, 1)
    t.is(entry?.createdRevision, revision)
  })

  test(title('a list holds the keys of the prefix alone, in order'), async (t) => {
    const { store } = await opened(t)
    const keys = ['/a/2', '/a/1', '/a', '/a~', '/b', '/a/~~']
    const { revision } = await store.transact({
      writes: keys.map((key) => ({ put: key, value: key })),
    })
    const listed = await store.list('/a/')
    t.deepEqual(
      listed.entries.map(({ key }) => key),
      ['/a/1', '/a/2', '/a/~~'],
    )
    t.is(listed.revision, revision)
    t.is((await store.list('')).entries.length, keys.length)
  })

  test(title('a guard that does not hold changes nothing at all'), async (t) => {
    const { store } = await opened(t)
    const { revision } = await store.transact({ writes: [{ put: '/a', value: 1 }] })
    const writes: Write[] = [{ put: '/b', value: 1 }, { delete: '/a' }]
    for (const guard of [
      { key: '/a', revision: 0 },
      { key: '/a', revision: revision + 1 },
      { key: '/none', revision: 1 },
    ]) {
      const error = await t.throwsAsync(store.transact({ guards: [guard], writes }))
      t.is(codeOf(error), 'PUR_STORE_CONFLICT')
    }
    t.is((await store.list('')).revision, revision)
    t.is((await store.list('')).entries.length, 1)
    await store.transact({ guards: [{ key: '/none', revision: 0 }], writes })
    t.is((await store.get('/b'))?.value, 1)
  })

  test(title('of two guarded writers of one turn exactly one wins'), async (t) => {
    const { store } = await opened(t)
    const attempt = (value: number) =>
      store.transact({
        guards: [{ key: '/a', revision: 0 }],
        writes: [{ put: '/a', value }],
      })
    const outcomes = await Promise.allSettled([attempt(1), attempt(2)])
    t.deepEqual(outcomes.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
  })

  test(title('a transaction that changes nothing keeps the revision'), async (t) => {
    const { store } = await opened(t)
    const { revision } = await store.transact({ writes: [{ put: '/a', value: 1 }] })
    t.is((await store.transact({ writes: [{ delete: '/none' }] })).revision, revision)
    t.is((await store.transact({ writes: [] })).revision, revision)
  })

  test(title('keys and values that cannot be kept are refused'), async (t) => {
    const { store } = await opened(t)
    const { revision } = await store.list('')
    const refused: Write[][] = [
      [{ put: '', value: 1 }],
      [{ put: '/with space', value: 1 }],
      [{ put: '/ä', value: 1 }],
      [{ put: `/${'x'.repeat(512)}`, value: 1 }],
      [{ put: '/a', value: undefined }],
      [{ put: '/a', value: 'x'.repeat(1024 * 1024) }],
      [{ put: '/a', value: 1 }, { delete: '/a' }],
    ]
    for (const writes of refused) {
      t.is(codeOf(await t.throwsAsync(store.transact({ writes }))), 'PUR_INVALID')
    }
    t.is((await store.list('')).revision, revision)
  })

  test(title('a watch sees every change after its revision, one batch a revision'), async (t) => {
    const { store } = await opened(t)
    const { revision } = await store.transact({ writes: [{ put: '/w/a', value: 1 }] })
    await store.transact({ writes: [{ put: '/other', value: 1 }] })
    const stop = new AbortController()
    const seen = collect(store.watch('/w/', { afterRevision: revision, signal: stop.signal }), 2)
    await store.transact({
      writes: [{ put: '/w/b', value: 2 }, { delete: '/w/a' }, { put: '/x', value: 0 }],
    })
    await store.transact({ writes: [{ put: '/w/a', value: 3 }] })
    t.deepEqual(await seen, [
      [
        { type: 'put', key: '/w/b', value: 2, revision: revision + 2 },
        { type: 'delete', key: '/w/a', revision: revision + 2 },
      ],
      [{ type: 'put', key: '/w/a', value: 3, revision: revision + 3 }],
    ])
    stop.abort()
  })

  test(title('a watch without a revision begins now'), async (t) => {
    const { store } = await opened(t)
    await store.transact({ writes: [{ put: '/a', value: 1 }] })
    const stop = new AbortController()
    const watch = store.watch('/', { signal: stop.signal })
    await store.transact({ writes: [{ put: '/a', value: 2 }] })
    const [batch] = await collect(watch, 1)
    t.is(batch?.[0]?.value, 2)
    stop.abort()
  })

  test(
    title('a watch ends without an error when it is given up or the store closes'),
    async (t) => {
      const { store } = await opened(t)
      const stop = new AbortController()
      const abandoned = collect(store.watch('/', { signal: stop.signal }), 1)
      const closed = collect(store.watch('/', { signal: new AbortController().signal }), 1)
      stop.abort()
      t.deepEqual(await abandoned, [])
      await store.close()
      t.deepEqual(await closed, [])
    },
  )

  test(title('a watch from a forgotten or unreached revision is told so'), async (t) => {
    const { store } = await opened(t)
    for (let n = 1; n <= 5; n++) await store.transact({ writes: [{ put: '/a', value: n }] })
    const { revision } = await store.list('')
    await store.compact(revision)
    const { signal } = new AbortController()
    for (const afterRevision of [revision - 2, revision + 1]) {
      const error = await t.throwsAsync(collect(store.watch('/', { afterRevision, signal }), 1))
      t.is(codeOf(error), 'PUR_STORE_COMPACTED')
    }
    const kept = await collect(store.watch('/', { afterRevision: revision - 1, signal }), 1)
    t.is(kept[0]?.[0]?.value, 5)
    t.is((await store.get('/a'))?.version, 5)
  })

  test(title('the keys of a lease vanish with it, in one revision'), async (t) => {
    const { store, clock } = await opened(t)
    const lease = await store.grantLease(leaseMs)
    const { revision } = await store.transact({
      writes: ['/l/1', '/l/2'].map((put) => ({ put, value: 1, lease })),
    })
    await store.transact({ writes: [{ put: '/l/2', value: 'kept' }] })
    await store.transact({ writes: [{ put: '/l/3', value: 1, lease }] })
    await pass(clock, leaseMs * 0.6)
    await store.keepLease(lease)
    await pass(clock, leaseMs * 0.6)
    t.is((await store.list('/l/')).entries.length, 3)
    await pass(clock, leaseMs * 0.6)
    const left = await listUntil(store, '/l/', 1)
    t.deepEqual(
      left.entries.map(({ value }) => value),
      ['kept'],
    )
    t.is(left.revision, revision + 3)
    const late = store.transact({ writes: [{ put: '/l/4', value: 1, lease }] })
    t.is(codeOf(await t.throwsAsync(late)), 'PUR_STORE_LEASE_GONE')
    t.is(codeOf(await t.throwsAsync(store.keepLease(lease))), 'PUR_STORE_LEASE_GONE')
  })

  test(title('a revoked lease takes its keys at once, and again is no error'), async (t) => {
    const { store } = await opened(t)
    const lease = await store.grantLease(60_000)
    await store.transact({ writes: [{ put: '/l', value: 1, lease }] })
    await store.revokeLease(lease)
    t.is(await store.get('/l'), undefined)
    await store.revokeLease(lease)
    t.is(codeOf(await t.throwsAsync(store.keepLease(lease))), 'PUR_STORE_LEASE_GONE')
  })

  test(
    title('any history: the store equals a plain map, and a watch from 0 replays it'),
    async (t) => {
      const key = fc.constantFrom('/k/a', '/k/b', '/k/c', '/k/d')
      const write = fc.oneof(
        fc.record({ put: key, value: fc.jsonValue() }),
        fc.record({ delete: key }),
      )
      const writes = fc.uniqueArray(write, {
        maxLength: 4,
        selector: (one) => ('put' in one ? one.put : one.delete),
      })
      await fc.assert(
        fc.asyncProperty(fc.array(writes, { maxLength: 12 }), async (history) => {
          const store = await open(t, createVirtualClock())
          try {
            const model = new Map<string, unknown>()
            const before = (await store.list('')).revision
            for (const each of history) await store.transact({ writes: each })
            for (const one of history.flat()) {
              if ('put' in one) model.set(one.put, JSON.parse(JSON.stringify(one.value)))
              else model.delete(one.delete)
            }
            const { entries, revision } = await store.list('/k/')
            t.deepEqual(
              entries.map((entry) => [entry.key, entry.value]),
              byKey(model),
            )
            const replayed = new Map<string, unknown>()
            const stop = new AbortController()
            for await (const batch of changesBetween(store, before, revision, stop)) {
              for (const change of batch) {
                if (change.type === 'put') replayed.set(change.key, change.value)
                else replayed.delete(change.key)
              }
            }
            t.deepEqual(byKey(replayed), byKey(model))
          } finally {
            await store.close()
          }
        }),
        { numRuns: 40 },
      )
    },
  )
}

/** The first `count` batches of a watch, or fewer where it ends. */
export async function collect<Item>(items: AsyncIterable<Item>, count: number): Promise<Item[]> {
  const found: Item[] = []
  for await (const item of items) {
    found.push(item)
    if (found.length === count) break
  }
  return found
}

/** The code of a typed error. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof PurlinError ? error.code : undefined
}

function byKey(entries: ReadonlyMap<string, unknown>): [string, unknown][] {
  return [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1))
}

/** The entries of a prefix once they are so many, or after five seconds: some engines end leases a
 *  little late. */
async function listUntil(store: Store, prefix: string, count: number) {
  for (let attempt = 0; ; attempt++) {
    const listed = await store.list(prefix)
    if (listed.entries.length === count || attempt === 50) return listed
    await systemClock.sleep(100)
  }
}

async function* changesBetween(
  store: Store,
  before: number,
  revision: number,
  stop: AbortController,
): AsyncGenerator<readonly StoreChange[]> {
  if (revision === before) return
  const watch = store.watch('/k/', { afterRevision: before, signal: stop.signal })
  for await (const batch of watch) {
    yield batch
    if (batch[0]?.revision === revision) return
  }
}
