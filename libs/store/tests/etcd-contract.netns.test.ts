import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import { type EtcdStoreOptions, openEtcdStore } from '../src/etcd/open.ts'
import { readBackup } from '../src/sqlite/backup.ts'
import { openSqliteStore } from '../src/sqlite/open.ts'
import type { Store } from '../src/store.ts'
import { codeOf, collect, storeContract } from './contract.ts'
import { EtcdUnderTest } from './etcd.ts'

let etcd: EtcdUnderTest
let fleets = 0

test.before(async () => {
  etcd = await EtcdUnderTest.start(1)
})
test.after.always(() => etcd.end())

function open(t?: ExecutionContext, options: Partial<EtcdStoreOptions> = {}): Store {
  const store = openEtcdStore({ ...etcd.access, prefix: `/fleet-${++fleets}`, ...options })
  t?.teardown(() => store.close())
  return store
}

storeContract(
  (title, body) => test.serial(title, body),
  'etcd',
  async () => open(),
  {
    leaseMs: 5_000,
    pass: (_, durationMs) => systemClock.sleep(durationMs),
  },
)

test.serial('two fleets on one cluster do not see each other', async (t) => {
  const [one, other] = [open(t), open(t)]
  const stop = new AbortController()
  const seen = collect(other.watch('/', { signal: stop.signal }), 1)
  await one.transact({ writes: [{ put: '/a', value: 1 }] })
  await other.transact({ writes: [{ put: '/a', value: 2 }] })
  t.is((await one.get('/a'))?.value, 1)
  t.is((await seen)[0]?.[0]?.value, 2)
  t.is((await other.list('')).entries.length, 1)
  stop.abort()
})

test.serial('a transaction of thousands of writes is one revision, whole or absent', async (t) => {
  const store = open(t)
  const writes = Array.from({ length: 5_000 }, (_, n) => ({ put: `/many/${n}`, value: n }))
  const guards = [{ key: '/many/4999', revision: 0 }]
  const { revision } = await store.transact({ guards, writes })
  const { entries } = await store.list('/many/')
  t.is(entries.length, 5_000)
  t.true(entries.every((entry) => entry.revision === revision))
  t.is(codeOf(await t.throwsAsync(store.transact({ guards, writes }))), 'PUR_STORE_CONFLICT')
})

test.serial(
  'more than etcd takes at once is refused with the advice, and changes nothing',
  async (t) => {
    const store = open(t)
    const large = (name: string) => ({ put: name, value: 'x'.repeat(900_000) })
    const error = await t.throwsAsync(store.transact({ writes: [large('/a'), large('/b')] }))
    t.is(codeOf(error), 'PUR_STORE_TOO_LARGE')
    t.regex(error?.message ?? '', /--max-request-bytes/)
    const guards = Array.from({ length: 65 }, (_, n) => ({ key: `/g/${n}`, revision: 0 }))
    const guarded = await t.throwsAsync(
      store.transact({ guards, writes: [{ put: '/c', value: 1 }] }),
    )
    t.is(codeOf(guarded), 'PUR_STORE_TOO_LARGE')
    t.deepEqual((await store.list('')).entries, [])
  },
)

test.serial('values of a megabyte are listed page by page and watched in pieces', async (t) => {
  const store = open(t)
  const stop = new AbortController()
  const { revision } = await store.list('')
  for (let n = 0; n < 8; n++) {
    await store.transact({ writes: [{ put: `/v/${n}`, value: String(n).repeat(1_000_000) }] })
  }
  const { entries } = await store.list('/v/')
  t.deepEqual(
    entries.map(({ value }) => String(value).length),
    Array.from({ length: 8 }, () => 1_000_000),
  )
  const seen = await collect(
    store.watch('/v/', { afterRevision: revision, signal: stop.signal }),
    8,
  )
  t.deepEqual(
    seen.map((batch) => String(batch[0]?.value).slice(0, 1)),
    [...'01234567'],
  )
})

test.serial(
  'a backup is a state file with the entries at one revision, without leases',
  async (t) => {
    const store = open(t)
    const lease = await store.grantLease(60_000)
    await store.transact({ writes: [{ put: '/a', value: { n: 1 } }] })
    await store.transact({ writes: [{ put: '/a', value: { n: 2 } }] })
    await store.transact({
      writes: [
        { put: '/b', value: 'ä', lease },
        { put: '/c', value: [] },
      ],
    })
    const file = join(etcd.folder, 'backup.db')
    await store.backup(file)
    t.is((await stat(file)).mode & 0o777, 0o600)
    const { entries } = await store.list('')
    const lasting = entries.filter(({ key }) => key !== '/b')
    t.deepEqual(await readBackup(file), lasting)
    const single = await openSqliteStore({ file })
    t.deepEqual((await single.list('')).entries, lasting)
    await single.transact({ writes: [{ put: '/d', value: 1 }] })
    await single.close()
  },
)

test.serial(
  'who is not known to the cluster is not let in, nor is a foreign cluster believed',
  async (t) => {
    const { createAuthority, issueIdentity } = await import('../src/authority.ts')
    const strangers = await createAuthority('strangers')
    const stranger = await issueIdentity(strangers, { name: 'stranger', addresses: [] })
    const times = { attemptMs: 500, deadlineMs: 1_000 }
    const unknown = open(t, { ...stranger, ...times })
    t.is(codeOf(await t.throwsAsync(unknown.get('/a'))), 'PUR_STORE_UNREACHABLE')
    const unbelieving = open(t, { ca: strangers.certificate, ...times })
    const error = await t.throwsAsync(unbelieving.get('/a'))
    t.is(codeOf(error), 'PUR_STORE_UNREACHABLE')
    t.regex(error?.message ?? '', /certificate/)
    t.throws(() => open(t, { endpoints: ['http://127.0.0.1:2379'] }), {
      code: 'PUR_INVALID',
    })
  },
)
