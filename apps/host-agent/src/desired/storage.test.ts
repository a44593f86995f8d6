import { readFile } from 'node:fs/promises'
import { readManifest } from '@purlin/sdk'
import { catalogueOf, resourceKey } from '@purlin/service'
import { NO_STORAGE } from '@purlin/storage'
import test from 'ava'
import { admitApply } from '../admit/change.ts'
import { storageDesired } from './storage.ts'

const EXAMPLE = new URL('../../../../examples/storage-one-host.yaml', import.meta.url)
const WHERE = {
  sockets: '/run/s',
  configuration: '/var/lib/p.yaml',
  folder: '/var/lib/bd',
  proofs: '/var/lib/purlin-cache',
}

test('the example is what the block daemon should serve: whole paths, whole blocks, rates in bytes', async (t) => {
  const { documents } = readManifest(await readFile(EXAMPLE, 'utf8'), 'storage-one-host.yaml')
  const listed = documents.map(({ value }) => value)
  const none = catalogueOf(new Map(), 1)
  t.throws(() => admitApply(none, listed, [], 1), { code: 'PUR_KIND_NOT_SERVED' })
  const { changes } = admitApply(none, listed, [], 1, { storage: true })
  const records = changes.flatMap(({ kind, name, after }) =>
    after ? [[resourceKey(kind, name), { ...after, revision: 1 }] as const] : [],
  )
  const catalogue = catalogueOf(new Map(records), 1)
  const { topologies, pools, volumes, snapshots } = storageDesired(catalogue, WHERE)
  t.is(topologies.length, 1)
  t.is(pools[0]?.spec.disks[0]?.path, '/var/lib/bd/disks/s1d1.img')
  t.deepEqual(volumes, [
    {
      ...{ name: 'vol-a', pool: 'bulk', sizeBytes: 4 * 2 ** 30, attached: false },
      limits: {
        ...{ iops: 2000, iopsBurst: 4000, readBytesPerSecond: 200 * 2 ** 20 },
        ...{ writeBytesPerSecond: 100 * 2 ** 20, burstSeconds: 5 },
      },
    },
    {
      ...{ name: 'vol-b', pool: 'fast', attached: false, limits: {} },
      source: { snapshot: 'vol-a-monday', linked: false },
    },
    {
      ...{ name: 'vol-c', pool: 'bulk', attached: false, limits: {} },
      source: { snapshot: 'vol-a-monday', linked: true },
    },
  ])
  t.deepEqual(snapshots, [{ name: 'vol-a-monday', volume: 'vol-a' }])
  t.is(storageDesired(catalogue, undefined), NO_STORAGE)
})
