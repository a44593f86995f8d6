import { checkDocument, type Manifest } from '@purlin/schema'
import type { PoolHealth, StorageHealth, VolumeHealth } from '@purlin/storage'
import test from 'ava'
import { storageFinding } from './storage-finding.ts'

const GIB = 2 ** 30
const manifest = (kind: string, name: string, spec: object): Manifest => {
  const checked = checkDocument({ kind, name, spec })
  if (checked.manifest === undefined) throw new Error(JSON.stringify(checked.problems))
  return checked.manifest
}
const disks = ['d1', 'd2'].map((name) => ({ name, server: 's1', path: `/d/${name}` }))
const pool = manifest('StoragePool', 'fast', { redundancy: { replicas: 2 }, disks })
const volume = manifest('Volume', 'a', { pool: 'fast', sizeGiB: 2 })
const seenDisk = (name: string, state: 'online' | 'missing' = 'online') => ({
  ...{ name, domains: [], state, sizeBytes: 9, usedBytes: 1, errors: 0 },
})
const health = (more: Partial<PoolHealth>): PoolHealth => ({
  ...{ phase: 'running', policy: 'replicas 2', sizeBytes: 18, usedBytes: 2 },
  ...{ usableBytes: 9, provisionedBytes: 0, shortStripes: 0, repairedChunks: 0 },
  disks: [seenDisk('d1'), seenDisk('d2')],
  ...more,
})
const seen = (pools: object = {}, volumes: object = {}): StorageHealth => ({
  pools: new Map(Object.entries(pools)),
  volumes: new Map(Object.entries(volumes)),
})
const reasonOf = (of: Manifest, view?: StorageHealth): string => {
  const { status, reason } = storageFinding(of, view)
  return `${status} ${reason}`
}

test('a pool is ready when it serves, also without a disk; what it lacks is named', (t) => {
  t.is(reasonOf(pool), 'unknown NotServed')
  t.is(reasonOf(pool, { ...seen(), trouble: 'no daemon' }), 'false NoDaemon')
  t.is(reasonOf(pool, seen()), 'false Changing')
  t.is(reasonOf(pool, seen({ fast: health({}) })), 'true Served')
  const away = health({ disks: [seenDisk('d1'), seenDisk('d2', 'missing')] })
  t.is(storageFinding(pool, seen({ fast: away })).message, 'it serves while d2 is missing')
  const nameless = health({ disks: [seenDisk('d1'), seenDisk('missing', 'missing')] })
  t.is(storageFinding(pool, seen({ fast: nameless })).message, 'it serves while d2 is missing')
  t.is(reasonOf(pool, seen({ fast: health({ disks: [seenDisk('d1')] }) })), 'false DisksDiffer')
  const reason = { code: 'PUR_BLOCK_FOREIGN_DISK', message: 'device 1 holds ext4' }
  const failed = storageFinding(pool, seen({ fast: health({ phase: 'failed', reason }) }))
  t.is(failed.error?.code, 'PUR_BLOCK_FOREIGN_DISK')
})

test('a volume is ready at its size and where it was wanted; it neither moves nor shrinks', (t) => {
  const at = (more: Partial<VolumeHealth>) =>
    seen(
      {},
      {
        a: {
          ...{ pool: 'fast', sizeBytes: 2 * GIB, clients: 0, copying: false, limits: {} },
          ...more,
        },
      },
    )
  t.is(reasonOf(volume, seen()), 'false Changing')
  t.is(reasonOf(volume, at({})), 'true Served')
  t.is(reasonOf(volume, at({ sizeBytes: GIB })), 'false Changing')
  t.is(reasonOf(volume, at({ limits: { iops: 1 } })), 'false Changing')
  t.is(reasonOf(volume, at({ copying: true })), 'false Copying')
  const copy = { copiedBytes: 3 * GIB, totalBytes: 4 * GIB }
  t.regex(storageFinding(volume, at({ copying: true, copy })).message, /: 75 % of 4294967296 bytes/)
  t.is(storageFinding(volume, at({ sizeBytes: 4 * GIB })).error?.code, 'PUR_BLOCK_INVALID')
  t.is(storageFinding(volume, at({ pool: 'bulk' })).error?.code, 'PUR_BLOCK_INVALID')
})
