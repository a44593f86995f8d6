import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PurlinError, systemClock } from '@purlin/base'
import { deviceFacts, keepProof } from '@purlin/cache-native'
import { type Catalogue, catalogueOf, resourceKey } from '@purlin/service'
import test from 'ava'
import { admitApply } from './change.ts'
import { refuseUnprovenCaches } from './unproven-caches.ts'

const poolOf = (cache: object) => ({
  kind: 'StoragePool',
  name: 'fast',
  spec: {
    redundancy: { replicas: 1 },
    disks: [{ name: 'd', server: 's', path: 'd.img' }],
    cache: { devices: [{ name: 'ssd', path: 'ssd.img', sizeGiB: 1 }], ...cache },
  },
})
const empty = catalogueOf(new Map(), 0)
const change = (cache: object, from: Catalogue = empty) =>
  admitApply(from, [poolOf(cache)], [], 1, { storage: true })

function standing(cache: object): Catalogue {
  const record = change(cache).changes[0]?.after
  if (record === undefined) throw new Error('the change makes a pool')
  const key = resourceKey('StoragePool', 'fast')
  return catalogueOf(new Map([[key, { ...record, revision: 1 }]]), 1)
}

test('writeback of a pool asks for a passed flush test of its SSDs, or for force', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-unproven-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const configuration = '/var/lib/purlin/storage/pools.yaml'
  const storage = { sockets: '/run/s', configuration, folder, proofs: folder }
  const mode = 'writeback'
  const error = await t.throwsAsync(refuseUnprovenCaches(change({ mode }), storage), {
    instanceOf: PurlinError,
    code: 'PUR_CACHE_UNPROVEN',
  })
  t.regex(error.message, /ssd\.img.*run purlin cache flush-test, or set cache\.force of pool fast/)
  for (const cache of [{ mode: 'writethrough' }, { mode: 'pass-through' }, { mode, force: true }]) {
    await refuseUnprovenCaches(change(cache), storage)
  }
  const switched = change({ mode }, standing({ mode: 'writethrough' }))
  await t.throwsAsync(refuseUnprovenCaches(switched, storage), { code: 'PUR_CACHE_UNPROVEN' })
  // What stands so already is not taken away by another change.
  const faster = { ...poolOf({ mode }), labels: { rack: 'r1' } }
  const labelled = admitApply(standing({ mode }), [faster], [], 1, { storage: true })
  t.is(labelled.changes.length, 1)
  await refuseUnprovenCaches(labelled, storage)
  const facts = await deviceFacts(folder).catch(() => undefined)
  // Of a folder in memory the kernel knows no device.
  if (facts === undefined) return
  await keepProof(folder, facts, 9, systemClock)
  await refuseUnprovenCaches(change({ mode }), storage)
})
