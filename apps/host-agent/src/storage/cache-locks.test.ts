import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createVirtualClock } from '@purlin/base'
import { catalogueOf } from '@purlin/service'
import { openSqliteStore } from '@purlin/store'
import test, { type ExecutionContext } from 'ava'
import { admitApply } from '../admit/change.ts'
import { refuseLockedDisks } from '../admit/locked-disks.ts'
import { listCacheLocks, lockOrigin, releaseOrigin } from './cache-locks.ts'

async function grounds(t: ExecutionContext) {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-locks-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const clock = createVirtualClock(1_700_000_000_000)
  const store = await openSqliteStore({ file: ':memory:', clock })
  t.teardown(() => store.close())
  const origin = join(folder, 'disk.img')
  await writeFile(origin, '')
  return { folder, origin, store, on: (host: string) => ({ store, clock, host }) }
}

const devices = ['/dev/nvme0n1']

test('a device in writeback is one cache’s until that releases it, and the lock says the risk', async (t) => {
  const { folder, origin, store, on } = await grounds(t)
  const request = { name: 'a', origin, devices, writeback: true }
  const lock = await lockOrigin(on('h1'), request)
  t.regex(lock?.risk ?? '', /alone lacks what is dirty/)
  // Again, after a restart, and by another name of the same file.
  const other = join(folder, 'other')
  await symlink(origin, other)
  t.deepEqual(await lockOrigin(on('h1'), request), lock)
  for (const writeback of [true, false]) {
    const error = await t.throwsAsync(
      lockOrigin(on('h1'), { ...request, name: 'b', origin: other, writeback }),
      { code: 'PUR_CACHE_LOCKED' },
    )
    t.regex(error.message, /nvme0n1 on h1 has.*purlin cache mode a writethrough/)
  }
  await releaseOrigin(on('h2'), 'a')
  t.is((await listCacheLocks(store)).length, 1, 'a name is that of its host')
  await releaseOrigin(on('h1'), 'a')
  t.deepEqual(await listCacheLocks(store), [])
  t.is(await lockOrigin(on('h1'), { ...request, name: 'b', writeback: false }), undefined)
})

test('an address is the same from every host, a path is not, and a name has one device', async (t) => {
  const { origin, on } = await grounds(t)
  const address = 'nbd://storage:10809/v'
  const request = { name: 'a', origin: address, devices, writeback: true }
  await lockOrigin(on('h1'), request)
  await t.throwsAsync(lockOrigin(on('h2'), request), { code: 'PUR_CACHE_LOCKED' })
  await lockOrigin(on('h2'), { ...request, origin })
  await t.throwsAsync(lockOrigin(on('h1'), { ...request, origin }), { code: 'PUR_CACHE_LOCKED' })
  await t.throwsAsync(lockOrigin(on('h3'), { ...request, origin: '/no/such' }), {
    code: 'PUR_INVALID',
  })
})

test('no pool gets a device that lacks what the SSDs of a cache have', async (t) => {
  const { folder, origin, store, on } = await grounds(t)
  await lockOrigin(on('h1'), { name: 'a', origin, devices, writeback: true })
  const pool = {
    kind: 'StoragePool',
    name: 'fast',
    spec: { redundancy: { replicas: 1 }, disks: [{ name: 'd', server: 's', path: 'disk.img' }] },
  }
  const change = admitApply(catalogueOf(new Map(), 0), [pool], [], 1, { storage: true })
  const locks = await listCacheLocks(store)
  await t.throwsAsync(refuseLockedDisks(change, locks, { folder, host: 'h1' }), {
    code: 'PUR_CACHE_LOCKED',
    message: /pool fast cannot have it/,
  })
  await refuseLockedDisks(change, locks, { folder, host: 'h2' })
})
