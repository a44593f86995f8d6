import { connect, createServer, type Server, type Socket } from 'node:net'
import { systemClock } from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import { fillEtcd } from '../src/etcd/fill.ts'
import { type EtcdStoreOptions, openEtcdStore } from '../src/etcd/open.ts'
import { createEventLog } from '../src/event-log.ts'
import { openSqliteStore } from '../src/sqlite/open.ts'
import type { Store, StoreEntry } from '../src/store.ts'
import { codeOf } from './contract.ts'
import { EtcdUnderTest } from './etcd.ts'

let etcd: EtcdUnderTest
let fleets = 0

test.before(async () => {
  etcd = await EtcdUnderTest.start(1)
})
test.after.always(() => etcd.end())

function options(): EtcdStoreOptions {
  return { ...etcd.access, prefix: `/fleet-${++fleets}` }
}

function open(t: ExecutionContext, where: EtcdStoreOptions): Store {
  const store = openEtcdStore(where)
  t.teardown(() => store.close())
  return store
}

const order = (entries: readonly StoreEntry[]) => ({
  entries,
  who: 'host-a',
  decide: async () => undefined,
})

/** A store of one host with some history, and its entries. */
async function fileStore(t: ExecutionContext) {
  const store = await openSqliteStore({ file: ':memory:' })
  t.teardown(() => store.close())
  const writes = (n: number) => [
    { put: `/resource/Group/g-${n % 40}`, value: { n, text: 'ä'.repeat(n) } },
    { put: `/task/${n}`, value: { n } },
  ]
  for (let n = 0; n < 300; n++) await store.transact({ writes: writes(n) })
  await store.transact({
    writes: Array.from({ length: 1_200 }, (_, n) => ({ put: `/whole/${n}`, value: n })),
  })
  return { store, entries: (await store.list('')).entries }
}

test.serial(
  'what was in a file is in etcd, value for value, and what was one change is one again',
  async (t) => {
    const { entries } = await fileStore(t)
    const where = options()
    await fillEtcd(where, order(entries))
    const found = await open(t, where).list('')
    const bare = (all: typeof entries) => all.map(({ key, value }) => [key, value])
    t.deepEqual(bare(found.entries), bare(entries))
    const revisions = new Map(found.entries.map(({ key, revision }) => [key, revision]))
    const together = entries.filter(({ key }) => /^\/task\/29\d$/.test(key))
    for (const { key, revision } of together) {
      const group = entries.find((one) => one.revision === revision && one.key !== key)
      t.is(revisions.get(key), revisions.get(group?.key ?? ''), key)
    }
    // The whole transaction is larger than a portion, and etcd’s nested transactions are not.
    const whole = found.entries.filter(({ key }) => key.startsWith('/whole/'))
    t.is(whole.length, 1_200)
  },
)

test.serial('a prefix that holds anything is refused and left as it is', async (t) => {
  const { entries } = await fileStore(t)
  const where = options()
  const store = open(t, where)
  await store.transact({ writes: [{ put: '/mine', value: 1 }] })
  t.is(codeOf(await t.throwsAsync(fillEtcd(where, order(entries)))), 'PUR_STORE_OCCUPIED')
  t.deepEqual(
    (await store.list('')).entries.map(({ key }) => key),
    ['/mine'],
  )
})

test.serial('what a move that was killed left behind goes before the next one', async (t) => {
  const { entries } = await fileStore(t)
  const where = options()
  const store = open(t, where)
  await store.transact({
    writes: [
      { put: '/moving', value: { who: 'host-a', sinceMs: 1 } },
      { put: '/task/half', value: 'done' },
    ],
  })
  const other = { ...order(entries), who: 'host-b' }
  t.is(codeOf(await t.throwsAsync(fillEtcd(where, other))), 'PUR_STORE_OCCUPIED')
  await fillEtcd(where, order(entries))
  t.is((await store.list('')).entries.length, entries.length)
  t.is(await store.get('/task/half'), undefined)
})

test.serial('a move that is decided against at its end leaves nothing', async (t) => {
  const { entries } = await fileStore(t)
  const where = options()
  const decide = async () => {
    const { entries: whole } = await open(t, where).list('')
    t.is(whole.length, entries.length + 1)
    throw new Error('the disk of the host is full')
  }
  await t.throwsAsync(fillEtcd(where, { ...order(entries), decide }), { message: /is full/ })
  t.deepEqual((await open(t, where).list('')).entries, [])
})

test.serial('a move that fails on its way leaves nothing', async (t) => {
  const { entries } = await fileStore(t)
  const where = options()
  const [first] = entries
  if (first === undefined) throw new Error('no entries')
  const large = { ...first, key: '/too-large', value: 'x'.repeat(1024 * 1024), revision: 10_000 }
  t.is(codeOf(await t.throwsAsync(fillEtcd(where, order([...entries, large])))), 'PUR_INVALID')
  t.deepEqual((await open(t, where).list('')).entries, [])
})

/** Hands connections on to etcd; while `deaf` it lets nothing come back. */
class DeafProxy {
  deaf = false
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  port = 0

  constructor(target: number) {
    this.#server = createServer((near) => {
      const far = connect(target, '127.0.0.1')
      for (const socket of [near, far]) {
        this.#sockets.add(socket)
        socket.on('error', () => {})
      }
      near.on('data', (bytes) => void far.write(bytes))
      far.on('data', (bytes) => void (this.deaf || near.write(bytes)))
      near.on('close', () => far.destroy())
      far.on('close', () => near.destroy())
    })
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    const address = this.#server.address()
    this.port = typeof address === 'object' ? (address?.port ?? 0) : 0
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}

test.serial('a change whose answer is lost is made once, and known to be made', async (t) => {
  const [direct = ''] = etcd.access.endpoints
  const proxy = new DeafProxy(Number(new URL(direct).port))
  await proxy.listen()
  t.teardown(() => proxy.close())
  const where = {
    ...options(),
    endpoints: [`https://127.0.0.1:${proxy.port}`, direct],
    attemptMs: 700,
  }
  const store = open(t, where)
  const first = await store.transact({ writes: [{ put: '/a', value: 1 }] })
  proxy.deaf = true
  const guards = [{ key: '/a', revision: first.revision }]
  const { revision } = await store.transact({ guards, writes: [{ put: '/a', value: 2 }] })
  const entry = await store.get('/a')
  t.like(entry, { value: 2, version: 2, revision })
  // Somebody else's change is a conflict, also after a lost answer.
  const late = store.transact({ guards, writes: [{ put: '/a', value: 3 }] })
  t.is(codeOf(await t.throwsAsync(late)), 'PUR_STORE_CONFLICT')
  proxy.deaf = false
})

test.serial('events whose answer is lost are numbered once', async (t) => {
  const [direct = ''] = etcd.access.endpoints
  const proxy = new DeafProxy(Number(new URL(direct).port))
  await proxy.listen()
  t.teardown(() => proxy.close())
  const proxied = [`https://127.0.0.1:${proxy.port}`, direct]
  const store = open(t, { ...options(), endpoints: proxied, attemptMs: 400 })
  const log = createEventLog(store, systemClock)
  const event = (message: string) => ({
    type: 'test.happened',
    severity: 'notice' as const,
    subject: { kind: 'Host', name: 'a' },
    message,
  })
  for (let n = 0; n < 6; n++) {
    proxy.deaf = n % 2 === 1
    await log.append([event(`${n}`)])
  }
  t.deepEqual(
    (await log.read({ after: 0 })).map(({ sequence, message }) => [sequence, message]),
    Array.from({ length: 6 }, (_, n) => [n + 1, `${n}`]),
  )
})
