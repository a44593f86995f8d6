import type { StoredRecord } from '@purlin/service'
import type { VolumeHealth } from '@purlin/storage'
import type { PowerState } from '@purlin/virt'
import test from 'ava'
import type { HostView, MachineView } from './host-view.ts'
import { readinessOf } from './readiness.ts'

const done = { passedRevision: 9, convergedRevision: 9, waiting: [] }
const volume = (more: Partial<VolumeHealth>): VolumeHealth => ({
  ...{ pool: 'fast', sizeBytes: 1, socket: '/run/b/vol-a.sock', clients: 0, copying: false },
  ...more,
})
const viewWith = (seen: VolumeHealth): HostView => ({
  facts: new Set(),
  lanes: { netfilter: done, vswitch: done, virt: done, storage: done },
  machines: new Map([['db-1', { state: 'stopped' as const, pendingRestart: false }]]),
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

const idle = (powerState: string) => {
  const spec = { cpus: 1, memoryMiB: 128, image: 'probe', disks: [], nics: [], powerState }
  return {
    manifest: { kind: 'VirtualMachine', name: 'db-1', spec },
    ...{ uid: 'u', generation: 1, revision: 3, createdAtMs: 0 },
  } as unknown as StoredRecord
}

test('a machine is ready in the state that is wanted, and a guest that is powering off is not yet off', (t) => {
  const found = (wanted: string, state: PowerState): string =>
    readinessOf(idle(wanted), {
      ...viewWith(volume({})),
      machines: new Map([['db-1', { state, pendingRestart: false }]]),
    }).reason
  t.is(found('stopped', 'stopped'), 'Stopped')
  t.is(found('stopped', 'stopping'), 'Changing')
  t.is(found('stopped', 'suspended'), 'Changing')
  t.is(found('paused', 'paused'), 'Paused')
  t.is(found('suspended', 'suspended'), 'Suspended')
  t.is(found('suspended', 'stopped'), 'Stopped')
  t.is(found('running', 'paused'), 'Changing')
})

test('a machine that rests is ready as its policy says; one that was given up is a failure', (t) => {
  const found = (rest: NonNullable<MachineView['rest']>) =>
    readinessOf(idle('running'), {
      ...viewWith(volume({})),
      machines: new Map([['db-1', { state: 'stopped', pendingRestart: false, rest }]]),
    })
  t.like(found('ended'), { status: 'true', reason: 'Ended' })
  t.like(found('after-boot'), { status: 'true', reason: 'NotStarted' })
  t.like(found('gave-up'), { status: 'false', reason: 'GaveUp' })
  t.is(found('gave-up').error?.code, 'PUR_VIRT_CRASHES')
})
