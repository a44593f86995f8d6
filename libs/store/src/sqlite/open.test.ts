import { chmod, mkdir, mkdtemp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import test, { type ExecutionContext } from 'ava'
import { codeOf, collect, storeContract } from '../../tests/contract.ts'
import { readBackup } from './backup.ts'
import { openSqliteStore } from './open.ts'

storeContract(test, 'sqlite in memory', (_t, clock) => openSqliteStore({ file: ':memory:', clock }))
storeContract(test, 'sqlite in a file', async (t, clock) =>
  openSqliteStore({ file: join(await folderOf(t), 'state.db'), clock }),
)

async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-store-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

test('a reopened store has its entries, revision, history and leases', async (t) => {
  const file = join(await folderOf(t), 'state.db')
  const first = await openSqliteStore({ file })
  const lease = await first.grantLease(60_000)
  await first.transact({ writes: [{ put: '/a', value: 1 }] })
  const { revision } = await first.transact({ writes: [{ put: '/b', value: 2, lease }] })
  await first.close()
  const second = await openSqliteStore({ file })
  t.teardown(() => second.close())
  t.is((await second.list('/')).revision, revision)
  const { signal } = new AbortController()
  t.is((await collect(second.watch('/', { afterRevision: 0, signal }), 2)).length, 2)
  await second.keepLease(lease)
  await second.revokeLease(lease)
  t.is(await second.get('/b'), undefined)
})

test('the state file is readable by its owner alone', async (t) => {
  const file = join(await folderOf(t), 'state.db')
  const store = await openSqliteStore({ file })
  t.teardown(() => store.close())
  await store.transact({ writes: [{ put: '/a', value: 1 }] })
  t.is((await stat(file)).mode & 0o777, 0o600)
  t.is((await stat(`${file}-wal`)).mode & 0o777, 0o600)
})

test('a second opener is refused while the first lives', async (t) => {
  const file = join(await folderOf(t), 'state.db')
  const first = await openSqliteStore({ file })
  t.is(codeOf(await t.throwsAsync(openSqliteStore({ file }))), 'PUR_AGENT_BUSY')
  await first.transact({ writes: [{ put: '/a', value: 1 }] })
  await first.close()
  const second = await openSqliteStore({ file })
  t.is((await second.get('/a'))?.value, 1)
  await second.close()
})

test('a file of a newer format is refused and left as it is', async (t) => {
  const file = join(await folderOf(t), 'state.db')
  await (await openSqliteStore({ file })).close()
  const database = new DatabaseSync(file)
  database.exec('PRAGMA user_version = 99')
  database.close()
  t.is(codeOf(await t.throwsAsync(openSqliteStore({ file }))), 'PUR_STORE_NEWER')
  t.is(codeOf(await t.throwsAsync(readBackup(file))), 'PUR_STORE_NEWER')
})

test('garbage, foreign databases, damage and missing folders are unreadable', async (t) => {
  const folder = await folderOf(t)
  const garbage = join(folder, 'garbage')
  await writeFile(garbage, 'no database at all '.repeat(500))
  const foreign = join(folder, 'foreign')
  const database = new DatabaseSync(foreign)
  database.exec('CREATE TABLE theirs (x)')
  database.close()
  const damaged = join(folder, 'damaged')
  const store = await openSqliteStore({ file: damaged })
  for (let n = 0; n < 50; n++) {
    await store.transact({ writes: [{ put: `/${n}`, value: 'x'.repeat(2_000) }] })
  }
  await store.close()
  await truncate(damaged, 16_384)
  for (const file of [garbage, foreign, damaged, join(folder, 'none', 'state.db')]) {
    const error = await t.throwsAsync(openSqliteStore({ file }), undefined, file)
    t.is(codeOf(error), 'PUR_STORE_UNREADABLE', file)
  }
  const tables = new DatabaseSync(foreign).prepare('SELECT name FROM sqlite_schema').all()
  t.is(tables.length, 1)
})

test('a backup is one file for its owner and is read where nothing may be written', async (t) => {
  const folder = await folderOf(t)
  const store = await openSqliteStore({ file: join(folder, 'state.db') })
  t.teardown(() => store.close())
  for (let n = 0; n < 100; n++) await store.transact({ writes: [{ put: `/k/${n}`, value: n }] })
  const copies = join(folder, 'copies')
  await mkdir(copies)
  const file = join(copies, 'backup.db')
  await store.backup(file)
  t.deepEqual(await readdir(copies), ['backup.db'])
  t.is((await stat(file)).mode & 0o777, 0o600)
  await chmod(copies, 0o500)
  const entries = await readBackup(file)
  await chmod(copies, 0o700)
  t.deepEqual(entries, (await store.list('')).entries)
  t.deepEqual(await readdir(copies), ['backup.db'])
  const reopened = await openSqliteStore({ file })
  t.is((await reopened.list('')).entries.length, 100)
  await reopened.close()
})

test('a backup that cannot be written leaves no file and the store whole', async (t) => {
  const folder = await folderOf(t)
  const store = await openSqliteStore({ file: join(folder, 'state.db') })
  t.teardown(() => store.close())
  const error = await t.throwsAsync(store.backup(join(folder, 'none', 'backup.db')))
  t.is(codeOf(error), 'PUR_STORE_FAILED')
  await store.transact({ writes: [{ put: '/a', value: 1 }] })
  t.is((await store.get('/a'))?.value, 1)
})

test('an empty file and a text are no backups', async (t) => {
  const folder = await folderOf(t)
  await writeFile(join(folder, 'empty'), '')
  await writeFile(join(folder, 'text'), 'hello '.repeat(1_000))
  for (const name of ['empty', 'text', 'none']) {
    const error = await t.throwsAsync(readBackup(join(folder, name)), undefined, name)
    t.is(codeOf(error), 'PUR_STORE_UNREADABLE', name)
  }
})

test('the history is cleared by itself once it is a tenth longer than asked for', async (t) => {
  const store = await openSqliteStore({ file: ':memory:', keptRevisions: 100 })
  t.teardown(() => store.close())
  for (let n = 1; n <= 111; n++) await store.transact({ writes: [{ put: '/a', value: n }] })
  const { signal } = new AbortController()
  const error = await t.throwsAsync(collect(store.watch('/', { afterRevision: 10, signal }), 1))
  t.is(codeOf(error), 'PUR_STORE_COMPACTED')
  t.is((await collect(store.watch('/', { afterRevision: 11, signal }), 100)).length, 100)
})

test('a closed store says so', async (t) => {
  const store = await openSqliteStore({ file: ':memory:' })
  await store.close()
  await store.close()
  t.is(codeOf(await t.throwsAsync(store.get('/a'))), 'PUR_STORE_FAILED')
  t.is(codeOf(await t.throwsAsync(store.transact({ writes: [] }))), 'PUR_STORE_FAILED')
})
