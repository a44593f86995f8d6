import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import { createEventLog } from '../src/event-log.ts'
import { openSqliteStore } from '../src/sqlite/open.ts'
import { codeOf } from './contract.ts'

/** A folder on a file system of its own, small enough to fill. */
async function smallDisk(t: ExecutionContext, sizeKiB: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-full-'))
  await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeKiB}k`, 'tmpfs', folder], {
    timeoutMs: 10_000,
  })
  t.teardown(async () => {
    await run('umount', [folder], { timeoutMs: 10_000 })
    await rm(folder, { recursive: true })
  })
  return folder
}

/** Fills what is left of the disk. */
async function fill(folder: string): Promise<string> {
  const ballast = join(folder, 'ballast')
  const error = await writeFile(ballast, Buffer.alloc(64 * 1024 * 1024)).catch((thrown) => thrown)
  if (error?.code !== 'ENOSPC') throw new Error('the disk did not fill')
  return ballast
}

const value = 'x'.repeat(20_000)

test.serial(
  'a full disk refuses the write, changes nothing, and works again with space',
  async (t) => {
    const folder = await smallDisk(t, 2_048)
    const file = join(folder, 'state.db')
    const store = await openSqliteStore({ file })
    await store.transact({ writes: [{ put: '/a', value }] })
    const { revision } = await store.list('')
    const ballast = await fill(folder)
    const writes = [1, 2, 3, 4, 5].map((n) => ({ put: `/b/${n}`, value }))
    for (let attempt = 0; attempt < 3; attempt++) {
      const error = await t.throwsAsync(store.transact({ writes }))
      t.is(codeOf(error), 'PUR_STORE_FULL')
    }
    t.deepEqual((await store.list('/b/')).entries, [])
    t.is((await store.list('')).revision, revision)
    t.is((await store.get('/a'))?.value, value)
    await rm(ballast)
    t.is((await store.transact({ writes })).revision, revision + 1)
    await store.close()
    const reopened = await openSqliteStore({ file })
    t.is((await reopened.list('/b/')).entries.length, 5)
    await reopened.close()
  },
)

test.serial('on a full disk the transaction that is too large fails alone', async (t) => {
  const folder = await smallDisk(t, 1_024)
  const store = await openSqliteStore({ file: join(folder, 'state.db') })
  t.teardown(() => store.close())
  await store.transact({ writes: [{ put: '/a', value: 0 }] })
  const large = Array.from({ length: 80 }, (_, n) => ({ put: `/large/${n}`, value }))
  const outcomes = await Promise.allSettled([
    store.transact({ writes: [{ put: '/a', value: 1 }] }),
    store.transact({ writes: large }),
    store.transact({ writes: [{ put: '/b', value: 2 }] }),
  ])
  t.deepEqual(
    outcomes.map((outcome) => (outcome.status === 'fulfilled' ? 'ok' : codeOf(outcome.reason))),
    ['ok', 'PUR_STORE_FULL', 'ok'],
  )
  t.is((await store.get('/a'))?.value, 1)
  t.is((await store.get('/b'))?.value, 2)
  t.deepEqual((await store.list('/large/')).entries, [])
})

test.serial('a store and a backup that do not fit leave nothing behind', async (t) => {
  const folder = await smallDisk(t, 256)
  const room = join(folder, 'room')
  await mkdir(room)
  const ballast = await fill(folder)
  const error = await t.throwsAsync(openSqliteStore({ file: join(room, 'state.db') }))
  t.is(codeOf(error), 'PUR_STORE_FULL')
  await rm(ballast)

  const roomy = await smallDisk(t, 4_096)
  const store = await openSqliteStore({ file: join(roomy, 'state.db') })
  t.teardown(() => store.close())
  const writes = Array.from({ length: 30 }, (_, n) => ({ put: `/${n}`, value }))
  await store.transact({ writes })
  const refused = await t.throwsAsync(store.backup(join(room, 'backup.db')))
  t.is(codeOf(refused), 'PUR_STORE_FULL')
  await store.backup(join(roomy, 'backup.db'))
  t.is((await store.list('')).entries.length, 30)
})

test.serial('an event that was refused leaves no gap in the numbers', async (t) => {
  const folder = await smallDisk(t, 2_048)
  const store = await openSqliteStore({ file: join(folder, 'state.db') })
  t.teardown(() => store.close())
  const log = createEventLog(store, {
    nowMs: () => 0,
    monotonicMs: () => 0,
    sleep: () => Promise.resolve(),
  })
  const event = {
    type: 'test.happened',
    severity: 'notice' as const,
    subject: { kind: 'Port', name: 'web-1.eth0' },
    message: value,
  }
  await log.append([event])
  const ballast = await fill(folder)
  t.is(codeOf(await t.throwsAsync(log.append([event, event, event]))), 'PUR_STORE_FULL')
  await rm(ballast)
  const [next] = await log.append([event])
  t.is(next?.sequence, 2)
})
