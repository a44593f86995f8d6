import { storedSchemaOf } from '@purlin/schema'
import test from 'ava'
import { fixedAgent, type Routes } from '../../tests/agent.ts'
import { NOW_MS, run } from '../../tests/run.ts'
import { taskOf } from '../../tests/samples.ts'
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
    disks: [wanted('f1', 's1'), wanted('f2', 's2'), wanted('f3', 's2')],
  },
  status: status('Degraded', 'it serves while f2 is missing', {
    ...{ phase: 'running', policy: 'replicas 2', sizeBytes: 4 * GIB, usedBytes: GIB },
    ...{ provisionedBytes: 6 * GIB, shortStripes: 12, repairedChunks: 1 },
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
  'PUT /v1/snapshots/tuesday': task,
  'DELETE /v1/snapshots/monday': [409, inUse],
}

const shown = test.macro({
  title: (_given, line: string) => `purlin ${line} prints its answer`,
  exec: async (t, line: string) => {
    await using agent = await fixedAgent(routes)
    const { exitCode, stdout, stderr } = await run(line.split(' '), {
      environment: { PURLIN_SOCKET: agent.socketPath },
    })
    t.snapshot({ exitCode, stderr })
    t.snapshot(stdout)
  },
})

for (const line of [
  'pool list',
  'pool show fast',
  'disk list',
  'disk show fast f2 -o json',
  'disk show fast f9',
  'volume list',
  'snapshot list',
  'snapshot delete monday',
  'volume grow vol-a 3',
  'volume create vol-b --pool fast',
  'volume create vol-b --pool fast --linked --size-gib 1',
]) {
  test(shown, line)
}

test('volumes and snapshots are made, grown and limited by what their flags say', async (t) => {
  await using agent = await fixedAgent(routes)
  for (const line of [
    'volume create vol-b --no-wait --pool fast --from monday --linked --iops 5 --read-mibps 1.5',
    'volume grow vol-a 8 --no-wait',
    'volume limit vol-a --no-wait --write-mibps 10',
    'volume limit vol-a --no-wait',
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
