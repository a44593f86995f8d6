import type { VolumeHealth } from '@purlin/storage'
import test from 'ava'
import type { StoredRecord } from '../resources/record.ts'
import type { HostView } from './host-view.ts'
import { readinessOf } from './readiness.ts'

const done = { passedRevision: 9, convergedRevision: 9, waiting: [] }
const volume = (more: Partial<VolumeHealth>): VolumeHealth => ({
  ...{ pool: 'fast', sizeBytes: 1, socket: '/run/b/vol-a.sock', clients: 0, copying: false },
  ...more,
})
const viewWith = (seen: VolumeHealth): HostView => ({
  facts: new Set(),
  lanes: { netfilter: done, vswitch: done, virt: done, storage: done },
  machines: new Map([['db-1', { state: 'stopped', pendingRestart: false }]]),
  storage: { pools: new Map(), volumes: new Map([['vol-a', seen]]) },
})
const machine = (attach: 'nbd' | 'vhost-user') => {
  const disks = [{ name: 'root', volume: 'vol-a', attach }]
  const spec = { cpus: 1, memoryMiB: 128, image: 'probe', disks, nics: [], powerState: 'running' }
  return {
    manifest: { kind: 'VirtualMachine', name: 'db-1', spec },
    ...{ uid: 'u', generation: 1, revision: 3, createdAtMs: 0 },
  } as StoredRecord
}

test('a machine whose volume has no socket for vhost-user says how it gets one', (t) => {
  const found = readinessOf(machine('vhost-user'), viewWith(volume({})))
  t.is(found.reason, 'NoVhostUser')
  t.regex(found.message, /volume vol-a over NBD alone; start purlin-blockd with --vhost/)
  const offered = volume({ vhostSocket: '/run/b/vol-a.vhost.sock' })
  t.is(readinessOf(machine('vhost-user'), viewWith(offered)).reason, 'Changing')
  t.is(readinessOf(machine('nbd'), viewWith(volume({}))).reason, 'Changing')
})
