import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import { type Database, openDatabase } from './database.ts'
import { createFramer } from './frame.ts'
import { mutate } from './operation.ts'

type Call = { readonly method: string; readonly params: readonly unknown[]; readonly id: number }
type Reply = (call: Call, send: (message: unknown) => void, socket: Socket) => void

/** A database of a few rows, answering as `reply` says; the monitor is answered with a root row. */
async function fakeDatabase(t: ExecutionContext, reply: Reply): Promise<Database> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-ovsdb-'))
  const path = join(folder, 'db.sock')
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    const framer = createFramer(1_000_000)
    const send = (message: unknown): void => {
      socket.write(JSON.stringify(message))
    }
    socket.on('error', () => {})
    socket.on('data', (bytes: Buffer) => {
      for (const text of framer.take(bytes)) {
        const call: Call = JSON.parse(text)
        if (call.method === 'monitor') {
          const root = { bridges: ['set', []], next_cfg: 1, cur_cfg: 1 }
          send({ id: call.id, error: null, result: { Open_vSwitch: { r: { new: root } } } })
        } else reply(call, send, socket)
      }
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(path, resolve)
  })
  const database = openDatabase(path, systemClock)
  t.teardown(async () => {
    database.close()
    for (const socket of sockets) socket.destroy()
    server.close()
    await rm(folder, { recursive: true })
  })
  return database
}

const applied = (current: number): unknown => ({
  method: 'update',
  id: null,
  params: [
    'purlin',
    { Open_vSwitch: { r: { new: { bridges: ['set', []], next_cfg: 2, cur_cfg: current } } } },
  ],
})
const change = [mutate('Bridge', 'b', [['ports', 'insert', ['uuid', 'p']]])]

test('a change returns when the switch daemon has applied it', async (t) => {
  let answeredMs = 0
  const database = await fakeDatabase(t, (call, send) => {
    const rows = [{ next_cfg: 2 }]
    send({ id: call.id, error: null, result: [{ count: 1 }, { count: 1 }, { rows }] })
    setTimeout(() => {
      answeredMs = performance.now()
      send(applied(2))
    }, 30)
  })
  const replica = await database.apply('change', change, 2_000)
  t.is(replica.root?.currentConfiguration, 2)
  t.true(performance.now() >= answeredMs && answeredMs > 0)
})

test('a switch daemon that applies nothing is an error that says so', async (t) => {
  const database = await fakeDatabase(t, (call, send) => {
    const rows = [{ next_cfg: 2 }]
    send({ id: call.id, error: null, result: [{ count: 1 }, { count: 1 }, { rows }] })
  })
  await t.throwsAsync(database.apply('change', change, 50), {
    code: 'PUR_OVS_UNREACHABLE',
    message: /ovs-vswitchd did not apply "change" within 50 ms/,
  })
})

test('a refused transaction carries the database’s own words', async (t) => {
  const database = await fakeDatabase(t, (call, send) => {
    const refusal = { error: 'constraint violation', details: 'tag 99999 is not in range' }
    send({ id: call.id, error: null, result: [refusal, null] })
  })
  await t.throwsAsync(database.transact('tag', change), {
    code: 'PUR_OVS_REFUSED',
    message:
      'tag: the Open vSwitch database refused it: constraint violation: tag 99999 is not in range',
  })
})

test('a row that vanished under a change is an error', async (t) => {
  const database = await fakeDatabase(t, (call, send) => {
    const rows = [{ next_cfg: 2 }]
    send({ id: call.id, error: null, result: [{ count: 0 }, { count: 1 }, { rows }] })
  })
  await t.throwsAsync(database.apply('change', change, 500), {
    code: 'PUR_OVS_REFUSED',
    message: /row of Bridge is gone/,
  })
})

test('an echo of the database is answered', async (t) => {
  const echoed = Promise.withResolvers<Call>()
  const database = await fakeDatabase(t, (call, send) => {
    if (call.method === 'transact') send({ id: 'echo-1', method: 'echo', params: ['x'] })
    else echoed.resolve(call)
  })
  const open = database.transact('anything', []).catch(() => {})
  t.deepEqual(await echoed.promise, { id: 'echo-1', result: ['x'], error: null } as unknown as Call)
  database.close()
  await open
})

test('a connection lost in a call fails the call, and the next one finds the database again', async (t) => {
  let calls = 0
  const database = await fakeDatabase(t, (call, send, socket) => {
    if (++calls === 1) socket.destroy()
    else send({ id: call.id, error: null, result: [] })
  })
  await t.throwsAsync(database.transact('first', []), { code: 'PUR_OVS_UNREACHABLE' })
  t.deepEqual(await database.transact('second', []), [])
})

test('a socket that is not there is an error that names it and the reason', async (t) => {
  const database = openDatabase('/nonexistent/db.sock', systemClock)
  await t.throwsAsync(database.replica(), {
    code: 'PUR_OVS_UNREACHABLE',
    message: /\/nonexistent\/db\.sock cannot be used: .*ENOENT.*; start ovsdb-server/,
  })
  database.close()
})
