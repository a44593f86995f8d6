import { stripVTControlCharacters } from 'node:util'
import { storedSchemaOf } from '@purlin/schema'
import test from 'ava'
import { fixedAgent, type Routes } from '../../tests/agent.ts'
import { NOW_MS, run } from '../../tests/run.ts'
import { taskOf } from '../../tests/samples.ts'
import { testLines } from '../../tests/shown.ts'
import { withWholePaths } from '../disk-paths.ts'

const GIB = 2 ** 30
const stored = { uid: 'uid-1', generation: 1, revision: 17, createdAtMs: NOW_MS - 3_600_000 }
const status = (reason: string, message: string, observed: object) => ({
  observedGeneration: 1,
  conditions: [{ type: 'Ready', status: 'true', reason, message, sinceMs: NOW_MS }],
  ...observed,
})
const disk = (name: string, server: string, extra: object = {}) => ({
  ...{ name, domains: ['dc1', 'r1', `k-${server}`, server, `disk ${name}`], state: 'online' },
  ...{ sizeBytes: 2 * GIB, usedBytes: GIB / 2, errors: 0, ...extra },
})
const wanted = (name: string, server: string) => ({ name, server, path: `/disks/${name}.img` })
const pool = storedSchemaOf('StoragePool').parse({
  ...{ kind: 'StoragePool', name: 'fast', ...stored },
  spec: {
    redundancy: { replicas: 2 },
    capacity: { provisionAtMost: 4 },
    disks: [wanted('f1', 's1'), wanted('f2', 's2'), wanted('f3', 's2')],
  },
  status: status('Degraded', 'it serves while f2 is missing', {
    ...{ phase: 'running', policy: 'replicas 2', sizeBytes: 4 * GIB, usedBytes: GIB },
    ...{ usableBytes: 2 * GIB, provisionedBytes: 6 * GIB, shortStripes: 12, repairedChunks: 1 },
    scrub: {
      metadataAtMs: NOW_MS - 3 * 3_600_000,
      running: { deep: true, startedAtMs: NOW_MS - 90_000 },
      last: { repaired: 1, lost: 2 },
    },
    disks: [
      disk('f1', 's1', { usedBytes: 1.9 * GIB }),
      disk('f2', 's2', { state: 'missing', errors: 3 }),
    ],
  }),
})
const volume = storedSchemaOf('Volume').parse({
  ...{ kind: 'Volume', name: 'vol-a', ...stored },
  spec: { pool: 'fast', sizeGiB: 4, qos: { iops: 100 } },
  status: status('Served', 'it is served', { pool: 'fast', sizeBytes: 4 * GIB, clients: 1 }),
})
const snapshot = storedSchemaOf('Snapshot').parse({
  ...{ kind: 'Snapshot', name: 'monday', ...stored },
  spec: { volume: 'vol-a' },
  status: status('Taken', 'it is there', { sizeBytes: 4 * GIB, takenAtMs: NOW_MS }),
})
const machine = {
  ...{ kind: 'VirtualMachine', name: 'db-1', ...stored, status: status('Running', 'it runs', {}) },
  spec: { cpus: 1, memoryMiB: 64, image: 'probe', disks: [{ name: 'root', volume: 'vol-a' }] },
}
const linked = {
  ...(volume as object),
  ...{ name: 'vol-c', spec: { pool: 'fast', source: { snapshot: 'monday', clone: 'linked' } } },
}
const MIB = 2 ** 20
/** Two pages of extents, of which the last and the first are neighbours; fewer since a snapshot. */
const extentsAt = (query: URLSearchParams) => {
  const extent = (offset: number, length: number) => ({
    offset: offset * MIB,
    length: length * MIB,
  })
  const sizeBytes = 4 * GIB
  if (query.has('since')) return { sizeBytes, extents: [extent(8, 1)] }
  return query.get('offset') === '0'
    ? { sizeBytes, extents: [extent(0, 1), extent(16, 4)], next: 20 * MIB }
    : { sizeBytes, extents: [extent(20, 2), extent(512, 1)] }
}
const task = [202, taskOf({ verb: 'put' })] as const
const inUse = {
  ...{ type: 'about:blank', title: 'in use', status: 409, code: 'PUR_RESOURCE_IN_USE' },
  detail: 'Snapshot monday is named by Volume vol-c; change or delete those first',
}
const routes: Routes = {
  'GET /v1/storage-pools': [200, { items: [pool] }],
  'GET /v1/storage-pools/fast': [200, pool],
  'GET /v1/volumes': [200, { items: [volume] }],
  'GET /v1/volumes/vol-a': [200, volume],
  'GET /v1/snapshots': [200, { items: [snapshot] }],
  'PUT /v1/volumes/vol-a': task,
  'PUT /v1/volumes/vol-b': task,
  'GET /v1/virtual-machines': [200, { items: [machine] }],
  'GET /v1/volumes/vol-c': [200, linked],
  'PUT /v1/volumes/vol-c': task,
  'GET /v1/snapshots/monday': [200, snapshot],
  'PUT /v1/snapshots/tuesday': task,
  'POST /v1/volumes/vol-a/rollback': [200, { volume: 'vol-a', snapshot: 'monday' }],
  'GET /v1/volumes/vol-a/extents': ({ query }) => [200, extentsAt(query)],
  'GET /v1/snapshots/tuesday/extents': ({ query }) => [200, extentsAt(query)],
  'DELETE /v1/snapshots/monday': [409, inUse],
}

testLines(routes, [
  'pool list',
  'pool show fast',
  'disk list',
  'disk show fast f2 -o json',
  'disk show fast f9',
  'volume list',
  'snapshot list',
  'snapshot delete monday',
  'snapshot extents tuesday --since monday -o json',
  'volume extents vol-a',
  'volume rollback vol-a --to monday',
  'volume map vol-a',
  'volume flatten vol-a',
  'volume grow vol-a 3',
  'volume create vol-b --pool fast',
  'volume create vol-b --pool fast --linked --size-gib 1',
])

test('the picture of a pool has colours in a terminal and none elsewhere', async (t) => {
  await using agent = await fixedAgent(routes)
  const picture = async (terminal: boolean) =>
    (await run(['--socket', agent.socketPath, 'pool', 'status', 'fast'], { terminal })).stdout
  const [coloured, plain] = [await picture(true), await picture(false)]
  t.true(coloured.includes('\u001b[31mmissing\u001b[0m'))
  t.false(plain.includes('\u001b'))
  t.is(stripVTControlCharacters(coloured), plain)
})

test('volumes and snapshots are made, grown and limited by what their flags say', async (t) => {
  await using agent = await fixedAgent(routes)
  for (const line of [
    'volume create vol-b --no-wait --pool fast --from monday --linked --iops 5 --read-mibps 1.5',
    'volume grow vol-a 8 --no-wait',
    'volume limit vol-a --no-wait --write-mibps 10',
    'volume limit vol-a --no-wait',
    'volume clone vol-b --no-wait --from monday --linked',
    'volume flatten vol-c --no-wait',
    'snapshot create tuesday --no-wait --volume vol-a',
  ]) {
    const made = await run(line.split(' '), { environment: { PURLIN_SOCKET: agent.socketPath } })
    t.is(made.exitCode, 0, made.stderr)
  }
  const puts = agent.seen.filter(({ method }) => method === 'PUT')
  t.snapshot(puts.map(({ path, body, headers }) => [path, body, headers['if-match']]))
})

test('paths of a pool’s disks and cache are sent whole; other documents as they are', (t) => {
  const spec = {
    disks: [{ name: 'd1', path: './d1.img' }, { name: 'd2', path: '/dev/sdb' }, 7],
    cache: { devices: [{ name: 'c1', path: 'c1.img' }] },
  }
  t.deepEqual(withWholePaths({ kind: 'StoragePool', name: 'a', spec }, '/etc/dc/storage.yaml'), {
    ...{ kind: 'StoragePool', name: 'a' },
    spec: {
      disks: [{ name: 'd1', path: '/etc/dc/d1.img' }, { name: 'd2', path: '/dev/sdb' }, 7],
      cache: { devices: [{ name: 'c1', path: '/etc/dc/c1.img' }] },
    },
  })
  for (const other of [null, 'x', { kind: 'Volume', spec }, { kind: 'StoragePool' }]) {
    t.is(withWholePaths(other, 'a.yaml'), other)
  }
})
