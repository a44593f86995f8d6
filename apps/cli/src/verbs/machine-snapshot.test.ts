import { storedSchemaOf } from '@purlin/schema'
import test from 'ava'
import { fixedAgent, type Routes } from '../../tests/agent.ts'
import { NOW_MS, run } from '../../tests/run.ts'
import { taskOf } from '../../tests/samples.ts'
import { testLines } from '../../tests/shown.ts'

const part = (name: string, volume: string) => ({
  ...{ name, volume, volumeUid: `uid-${volume}`, snapshot: `ms-${volume}`, sizeBytes: 2 ** 30 },
})
const snapshot = (name: string, spec: object, reason = 'Taken') =>
  storedSchemaOf('MachineSnapshot').parse({
    ...{ kind: 'MachineSnapshot', name, uid: `uid-${name}`, generation: 3, revision: 17 },
    createdAtMs: NOW_MS - 3_600_000,
    spec: {
      ...{ virtualMachine: 'db-1', machineUid: 'uid-db-1', host: 'a', freeze: 'auto' },
      ...{ memory: false, disks: [part('root', 'vol-a'), part('log', 'vol-b')] },
      shape: { cpus: 1, memoryMiB: 64, image: 'probe', nics: [] },
      ...spec,
    },
    status: {
      observedGeneration: 3,
      conditions: [{ type: 'Ready', status: 'true', reason, message: '2 disks', sinceMs: NOW_MS }],
    },
  })
const monday = snapshot('monday', { phase: 'taken', takenAtMs: NOW_MS - 60_000, frozen: true })
const whole = snapshot('whole', {
  ...{ phase: 'taken', takenAtMs: NOW_MS, memory: true, memoryBytes: 48 * 2 ** 20 },
})
const trashed = {
  ...{ uid: 'uid-1', name: 'db-1', host: 'a', deletedAtMs: NOW_MS - 60_000 },
  ...{ keptUntilMs: NOW_MS + 72 * 3_600_000, disks: ['vol-a'], addresses: ['10.0.0.50'] },
}
const task = (verb: string) => [202, taskOf({ verb })] as const
const differs = {
  ...{ type: 'about:blank', title: 'differs', status: 409, code: 'PUR_SNAPSHOT_DIFFERS' },
  detail: 'snapshot whole cannot be gone back to: it has no disk log any more',
}
const routes: Routes = {
  'GET /v1/machine-snapshots': [200, { items: [monday, whole] }],
  'GET /v1/machine-snapshots/monday': [200, monday],
  'POST /v1/virtual-machines/db-1/snapshots': task('snapshot'),
  'POST /v1/machine-snapshots/monday/revert': task('revert'),
  'POST /v1/machine-snapshots/whole/revert': [409, differs],
  'DELETE /v1/machine-snapshots/monday': task('delete-snapshot'),
  'GET /v1/virtual-machines/db-1': [200, { ...(monday as object), kind: 'VirtualMachine' }],
  'DELETE /v1/virtual-machines/db-1': task('delete'),
  'GET /v1/trash': [200, { items: [trashed] }],
  'POST /v1/trash/db-1/restore': task('undelete'),
  'DELETE /v1/trash/uid-1': [200, {}],
}

testLines(routes, [
  'vm snapshot list',
  'vm snapshot list web-1',
  'vm snapshot create db-1 whole --memory --no-wait',
  'vm snapshot create db-1 whole --freeze sometimes',
  'vm snapshot revert monday --no-wait',
  'vm snapshot revert whole',
  'vm snapshot delete monday --no-wait -o json',
  'vm delete db-1 --no-wait',
  'vm trash list',
  'vm trash list -o json',
  'vm trash restore db-1 --no-wait',
  'vm trash empty',
])

test('what a snapshot and a machine of the trash are asked for is sent', async (t) => {
  await using agent = await fixedAgent(routes)
  const sent = async (...words: string[]): Promise<unknown> => {
    await run(['--socket', agent.socketPath, 'vm', ...words, '--no-wait'])
    const last = agent.seen.findLast(({ method }) => method !== 'GET')
    return JSON.parse(last?.body ?? '')
  }
  t.deepEqual(await sent('snapshot', 'create', 'db-1', 'whole', '--memory'), {
    ...{ name: 'whole', memory: true },
  })
  t.deepEqual(await sent('snapshot', 'create', 'db-1', 's', '--freeze', 'never'), {
    ...{ name: 's', freeze: 'never' },
  })
  t.deepEqual(await sent('snapshot', 'revert', 'monday', '--without-memory'), {
    withoutMemory: true,
  })
  t.deepEqual(await sent('trash', 'restore', 'db-1', '--new-addresses'), { newAddresses: true })
})
