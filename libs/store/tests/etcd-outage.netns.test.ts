import { systemClock } from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import { type EtcdStoreOptions, openEtcdStore } from '../src/etcd/open.ts'
import { createEventLog } from '../src/event-log.ts'
import type { Store, StoreChange } from '../src/store.ts'
import { codeOf, collect } from './contract.ts'
import { EtcdUnderTest } from './etcd.ts'

let etcd: EtcdUnderTest
let fleets = 0

test.before(async () => {
  etcd = await EtcdUnderTest.start(3)
})
test.after.always(() => etcd.end())

function open(t: ExecutionContext, options: Partial<EtcdStoreOptions> = {}): Store {
  const store = openEtcdStore({ ...etcd.access, prefix: `/fleet-${++fleets}`, ...options })
  t.teardown(() => store.close())
  return store
}

/** Gathers what a watch tells; `error` is what ended it. */
function gather(store: Store, prefix: string, afterRevision: number) {
  const seen: StoreChange[] = []
  const gathered: { seen: StoreChange[]; error?: unknown } = { seen }
  const follow = async (): Promise<void> => {
    const { signal } = new AbortController()
    for await (const batch of store.watch(prefix, { afterRevision, signal })) seen.push(...batch)
  }
  follow().catch((thrown: unknown) => {
    gathered.error = thrown
  })
  return gathered
}

async function eventually(holds: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let attempt = 0; attempt < 300; attempt++) {
    if (await holds()) return true
    await systemClock.sleep(100)
  }
  return false
}

/** Writes, however often it must be asked: after an outage a leader has to be found first. */
async function put(store: Store, key: string, value: unknown): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    try {
      return (await store.transact({ writes: [{ put: key, value }] })).revision
    } catch (thrown) {
      if (codeOf(thrown) !== 'PUR_STORE_UNREACHABLE' || attempt === 10) throw thrown
    }
  }
}

test.serial(
  'one of three members killed: writes go on, a watch loses nothing and tells nothing twice',
  async (t) => {
    const store = open(t)
    const watched = gather(store, '/w/', (await store.list('')).revision)
    for (let n = 0; n < 60; n++) {
      if (n === 20) await etcd.tell('kill 0')
      if (n === 40) await etcd.tell('start 0')
      await put(store, `/w/${n % 7}`, n)
    }
    t.true(await eventually(() => watched.seen.at(-1)?.value === 59))
    t.deepEqual(
      [...new Set(watched.seen.map(({ value }) => value))],
      Array.from({ length: 60 }, (_, n) => n),
    )
    const revisions = watched.seen.map(({ revision }) => revision)
    t.deepEqual(revisions, [...new Set(revisions)])
  },
)

test.serial(
  'two of three killed: reads and writes are refused in time; all back: the watch goes on',
  async (t) => {
    const store = open(t, { deadlineMs: 3_000 })
    const first = await put(store, '/w/before', 1)
    const watched = gather(store, '/w/', first)
    await put(store, '/w/seen', 1)
    t.true(await eventually(() => watched.seen.length === 1))
    await etcd.tell('kill 0')
    await etcd.tell('kill 1')
    const startedMs = systemClock.monotonicMs()
    for (const call of [
      () => store.get('/w/seen'),
      () => store.list('/w/'),
      () => store.transact({ writes: [{ put: '/w/late', value: 1 }] }),
      () => store.grantLease(10_000),
    ]) {
      const error = await t.throwsAsync(call())
      t.is(codeOf(error), 'PUR_STORE_UNREACHABLE')
      t.regex(error?.message ?? '', /no majority of etcd answers/)
    }
    t.true(systemClock.monotonicMs() - startedMs < 30_000)
    await etcd.tell('start 0')
    await etcd.tell('start 1')
    await put(store, '/w/after', 2)
    t.true(await eventually(() => watched.seen.some(({ key }) => key === '/w/after')))
    // A call that was refused may have been carried out all the same, and says so; what the watch
    // tells is each change once.
    const revisions = watched.seen.map(({ revision }) => revision)
    t.deepEqual(
      revisions,
      [...new Set(revisions)].toSorted((a, b) => a - b),
    )
    t.is(watched.error, undefined)
  },
)

test.serial('a member that hangs is left for another, by calls and by watches', async (t) => {
  const store = open(t)
  const watched = gather(store, '/w/', await put(store, '/w/0', 0))
  await put(store, '/w/1', 1)
  t.true(await eventually(() => watched.seen.length === 1))
  // The member all goes to is the one that answered last, which is not known from outside.
  for (const member of [0, 1, 2]) {
    await etcd.tell(`pause ${member}`)
    await put(store, `/w/hung-${member}`, member)
    t.true(await eventually(() => watched.seen.some(({ key }) => key === `/w/hung-${member}`)))
    await etcd.tell(`resume ${member}`)
  }
  for (const member of [0, 1, 2]) await etcd.tell(`pause ${member}`)
  const hurried = open(t, { deadlineMs: 2_000, attemptMs: 700 })
  const startedMs = systemClock.monotonicMs()
  t.is(codeOf(await t.throwsAsync(hurried.get('/w/0'))), 'PUR_STORE_UNREACHABLE')
  t.true(systemClock.monotonicMs() - startedMs < 10_000)
  for (const member of [0, 1, 2]) await etcd.tell(`resume ${member}`)
  const last = await put(store, '/w/last', 0)
  t.true(await eventually(() => watched.seen.some(({ revision }) => revision === last)))
  const revisions = watched.seen.map(({ revision }) => revision)
  t.deepEqual(
    revisions,
    [...new Set(revisions)].toSorted((a, b) => a - b),
  )
})

test.serial(
  'compaction while a watch was cut off: it is told, lists, and goes on from there',
  async (t) => {
    const store = open(t)
    const behind = await put(store, '/w/a', 0)
    for (let n = 1; n <= 5; n++) await put(store, '/w/a', n)
    const { revision } = await store.list('/w/')
    await store.compact(revision)
    const { signal } = new AbortController()
    const error = await t.throwsAsync(
      collect(store.watch('/w/', { afterRevision: behind, signal }), 1),
    )
    t.is(codeOf(error), 'PUR_STORE_COMPACTED')
    const watched = gather(store, '/w/', revision)
    await put(store, '/w/b', 1)
    t.true(await eventually(() => watched.seen.length === 1))
  },
)

test.serial('the log of events stays gapless and without doubles while members die', async (t) => {
  const [one, other] = [open(t), open(t, { prefix: `/fleet-${fleets}` })]
  const logs = [createEventLog(one, systemClock), createEventLog(other, systemClock)]
  const told: string[] = []
  const tell = async (log: ReturnType<typeof createEventLog>, name: string): Promise<void> => {
    for (let n = 0; n < 40; n++) {
      const message = `${name} ${n}`
      await log.append([
        { type: 'test.happened', severity: 'notice', subject: { kind: 'Host', name }, message },
      ])
      told.push(message)
    }
  }
  const telling = logs.map((log, index) => tell(log, `host-${index}`))
  for (const member of [0, 1, 2]) {
    await etcd.tell(`kill ${member}`)
    await systemClock.sleep(300)
    await etcd.tell(`start ${member}`)
    await systemClock.sleep(1_500)
  }
  await Promise.all(telling)
  const events = await logs[0]?.read({ after: 0 })
  t.deepEqual(
    events?.map(({ sequence }) => sequence),
    Array.from({ length: 80 }, (_, n) => n + 1),
  )
  t.deepEqual(events?.map(({ message }) => message).toSorted(), told.toSorted())
})
