import { storedSchemaOf } from '@purlin/schema'
import test from 'ava'
import { fixedAgent, type Routes } from '../../tests/agent.ts'
import { NOW_MS, run } from '../../tests/run.ts'
import { taskOf } from '../../tests/samples.ts'

const MIB = 2 ** 20
const disk = (name: string, server: string) => ({ name, server, path: `/disks/${name}.img` })
const seen = (name: string, media: string, movedBytes: number) => ({
  ...{ name, domains: ['dc1', 'r1', 'k1', 's1'], state: 'online', errors: 0, media, movedBytes },
  ...{ sizeBytes: 100 * MIB, usedBytes: 10 * MIB },
})
const pool = storedSchemaOf('StoragePool').parse({
  ...{ kind: 'StoragePool', name: 'fast', uid: 'uid-1', generation: 1, revision: 17 },
  createdAtMs: NOW_MS,
  spec: {
    redundancy: { replicas: 2 },
    disks: [disk('f1', 's1'), { ...disk('f2', 's2'), use: 'maintenance' }],
  },
  status: {
    ...{ observedGeneration: 1, conditions: [], phase: 'running', policy: 'replicas 2' },
    disks: [seen('f1', 'hdd', 3 * MIB), seen('f2', 'nvme', MIB)],
    moving: {
      rebalance: 'running',
      movedBytes: { server: 0, rack: 2 * MIB, room: MIB, across: 0 },
      leastBytes: { server: 0, rack: 2 * MIB, room: 0, across: 0 },
      ...{ rebuiltBytes: MIB, rewrittenBytes: 0, plannedBytes: 8 * MIB },
    },
    scrub: { running: { deep: true, startedAtMs: NOW_MS - 90_000 } },
    scrubbing: { deep: true, paused: true, walkedBytes: 3 * MIB, plannedBytes: 8 * MIB },
  },
})
const survival = (level: string, any: number) => ({
  ...{ level, domains: 3, any, disksBeside: [1, 0], largestAtMost: 1 },
  ...{ fatal: ['s1', 's2'], fatalSets: [3, 3], largest: ['s1'] },
})
const placed = {
  ...{ policy: 'replicas 2', faultDomain: 'server', stripes: 20 },
  disks: [{ disk: 0, name: 'f1', server: 's1', capacityBytes: 100 * MIB, storedBytes: 10 * MIB }],
  placed: [
    { tolerates: 0, stripes: 1, diskSets: 1, survival: [survival('server', 0)] },
    { tolerates: 1, stripes: 19, diskSets: 3, survival: [survival('server', 1)] },
  ],
  ...{ misplacedBytes: 2 * MIB, homelessBytes: 0, lostBytes: MIB },
  leastBytes: { server: 0, rack: 2 * MIB, room: 0, across: 0 },
}
const routes: Routes = {
  'GET /v1/storage-pools/fast': [200, pool],
  'PUT /v1/storage-pools/fast': [202, taskOf({ verb: 'put' })],
  'GET /v1/storage-pools/fast/placed': [200, placed],
  'POST /v1/storage-pools/fast/rebalance': [202, { pool: 'fast' }],
  'POST /v1/storage-pools/fast/scrub': [202, { pool: 'fast' }],
}

test('disks are added, replaced, removed, emptied and maintained by a change of their pool', async (t) => {
  await using agent = await fixedAgent(routes)
  const environment = { PURLIN_SOCKET: agent.socketPath }
  const spec = async (line: string): Promise<Record<string, unknown>> => {
    const made = await run(`${line} --no-wait`.split(' '), { environment })
    t.is(made.exitCode, 0, made.stderr)
    return JSON.parse(agent.seen.at(-1)?.body ?? '{}').spec
  }
  const [f1, f2] = [disk('f1', 's1'), { ...disk('f2', 's2'), use: 'maintenance' }]
  const added = await spec('disk add fast f3 --server s3 --path /dev/sdc --media nvme')
  const f3 = { name: 'f3', server: 's3', path: '/dev/sdc', media: 'nvme' }
  t.deepEqual(added.disks, [f1, f2, f3])
  const replaced = await spec('disk replace fast f1 --by n1 --path /d/n1.img --size-gib 2')
  const n1 = { name: 'n1', server: 's1', path: '/d/n1.img', sizeGiB: 2, replaces: 'f1' }
  t.deepEqual(replaced.disks, [n1, f2])
  t.deepEqual((await spec('disk remove fast f2')).disks, [f1])
  t.deepEqual((await spec('disk evacuate fast f1')).disks, [{ ...f1, use: 'evacuated' }, f2])
  t.deepEqual((await spec('disk maintain fast f2 --off')).disks, [f1, disk('f2', 's2')])
  t.is((await spec('pool rebalance fast --pause')).rebalance, 'paused')
  t.is((await spec('pool rebalance fast --resume')).rebalance, undefined)
  const twice = 'disk add fast f1 --server s1 --path /x'.split(' ')
  t.not((await run(twice, { environment })).exitCode, 0)
  const unknown = await run(['disk', 'remove', 'fast', 'f9'], { environment })
  t.true(unknown.stderr.includes('it has f1, f2'), unknown.stderr)
})

test('a pool shows how far its rebalance is, how far bytes went beside the least, and mixed disks', async (t) => {
  await using agent = await fixedAgent(routes)
  const shown = await run(['--socket', agent.socketPath, 'pool', 'show', 'fast'])
  t.true(shown.stdout.includes('rebalance: running, 4.0 MiB of 8.0 MiB (50 %)'), shown.stdout)
  t.true(shown.stdout.includes('within a rack 2.0 MiB (least 2.0 MiB)'), shown.stdout)
  t.true(shown.stdout.includes('within a room 1.0 MiB (least 0 bytes)'), shown.stdout)
  t.true(shown.stdout.includes('busiest disk over the mean: 1.50'), shown.stdout)
  t.true(shown.stdout.includes('several kinds: hdd, nvme'), shown.stdout)
})

test('what is really placed is told with short stripes apart; a rebalance is begun by hand', async (t) => {
  await using agent = await fixedAgent(routes)
  const of = (...words: string[]) => run(['--socket', agent.socketPath, ...words])
  const { stdout } = await of('pool', 'explain', 'fast')
  t.true(stdout.includes('1 stripes on 1 different sets of disks can lose 0 shards'), stdout)
  t.true(stdout.includes('19 stripes on 3 different sets of disks can lose 1 shards'), stdout)
  t.true(stdout.includes('2: s1 s2 (3 of 3 such sets)'), stdout)
  t.true(stdout.includes('1.0 MiB lost with their disks'), stdout)
  t.is((await of('pool', 'rebalance', 'fast')).stdout, 'the rebalance of pool fast has begun\n')
  t.is((await of('pool', 'explain')).exitCode, 2)
})

test('a scrub is begun by hand, held and let go on; the picture tells how far it is', async (t) => {
  await using agent = await fixedAgent(routes)
  const of = (line: string) => run(['--socket', agent.socketPath, 'pool', ...line.split(' ')])
  t.is((await of('scrub fast --deep')).stdout, 'the scrub of pool fast has begun\n')
  t.is((await of('scrub fast --pause')).stdout, 'the scrub of pool fast is held\n')
  t.is((await of('scrub fast --resume')).stdout, 'the scrub of pool fast goes on\n')
  const bodies = agent.seen.map(({ body }) => JSON.parse(body))
  t.deepEqual(bodies, [
    { action: 'begin', deep: true },
    { action: 'pause', deep: false },
    { action: 'resume', deep: false },
  ])
  t.is((await of('scrub fast --pause --resume')).exitCode, 2)
  const shown = (await of('show fast')).stdout
  t.true(shown.includes('a deep scrub runs for 1m30s, 37 % done, paused'), shown)
})
