import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { ResourceCache } from './cache.ts'

async function fileOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-cache-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return join(folder, 'resources.json')
}

const entry = { key: '/resource/x', value: { a: 1 }, revision: 7, createdRevision: 3, version: 2 }
const known = { entries: new Map([[entry.key, entry]]), revision: 9 }

test('what was kept of a store is read again, by its owner alone', async (t) => {
  const file = await fileOf(t)
  const cache = new ResourceCache(file, 'etcd /one', (thrown) => t.fail(String(thrown)))
  cache.keep({ entries: new Map(), revision: 1 })
  cache.keep(known)
  await cache.flushed()
  t.is((await stat(file)).mode & 0o777, 0o600)
  t.deepEqual(
    await new ResourceCache(file, 'etcd /one', (thrown) => t.fail(String(thrown))).read(),
    known,
  )
})

test('a copy of another store, a torn one and none at all are no copy', async (t) => {
  const file = await fileOf(t)
  const cache = new ResourceCache(file, 'etcd /one', (thrown) => t.fail(String(thrown)))
  t.is(await cache.read(), undefined)
  cache.keep(known)
  await cache.flushed()
  t.is(
    await new ResourceCache(file, 'etcd /two', (thrown) => t.fail(String(thrown))).read(),
    undefined,
  )
  await writeFile(file, '{"format":1,"source":"etcd /one","rev')
  t.is(await cache.read(), undefined)
})
