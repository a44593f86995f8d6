import { fact, PurlinError } from '@purlin/base'
import { kinds, type Manifest } from '@purlin/schema'
import test from 'ava'
import { catalogueOf } from '../resources/catalogue.ts'
import { resourceKey, type StoredRecord } from '../resources/record.ts'
import { type HostView, type LaneView, UNSEEN_LANE } from '../status/host-view.ts'
import { standingOf, type TaskTarget } from './target.ts'

function record(manifest: Manifest, revision: number): [string, StoredRecord] {
  const stored = { manifest, uid: manifest.name, generation: 1, createdAtMs: 0, revision }
  return [resourceKey(manifest.kind, manifest.name), stored]
}
const vm = kinds.VirtualMachine.manifest.parse({
  kind: 'VirtualMachine',
  name: 'web-1',
  spec: { cpus: 1, memoryMiB: 128, image: 'probe', nics: [{ name: 'eth0', portGroup: 'prod' }] },
})
const group = kinds.SecurityGroup.manifest.parse({ kind: 'SecurityGroup', name: 'web', spec: {} })
const passed = (revision: number): LaneView => ({
  passedRevision: revision,
  convergedRevision: revision,
  waiting: [],
})
const whole: HostView = {
  facts: new Set([fact('nic', 'web-1.eth0', 'enforced'), fact('nic', 'web-1.eth0', 'plugged')]),
  lanes: { netfilter: passed(5), vswitch: passed(5), virt: passed(5), storage: passed(5) },
  machines: new Map([['web-1', { state: 'running', pendingRestart: false }]]),
}
const target: TaskTarget = { kind: 'VirtualMachine', name: 'web-1', action: 'apply', revision: 5 }

test('a machine is done when it is enforced, plugged and running, all seen after the change', (t) => {
  const catalogue = catalogueOf(new Map([record(vm, 5)]), 5)
  t.deepEqual(
    standingOf([target], catalogue, () => whole),
    { done: 1, total: 1, text: 'done' },
  )
  const early = { ...whole, lanes: { ...whole.lanes, netfilter: passed(4) } }
  t.like(
    standingOf([target], catalogue, () => early),
    { done: 0, total: 1 },
  )
  const bare = { ...whole, facts: new Set([fact('nic', 'web-1.eth0', 'plugged')]) }
  t.regex(standingOf([target], catalogue, () => bare).text, /rules of web-1\.eth0 are not in force/)
  const off = {
    ...whole,
    machines: new Map([['web-1', { state: 'stopped', pendingRestart: false }]]),
  }
  t.regex(standingOf([target], catalogue, () => off).text, /is stopped, wanted running/)
})

test('a failure that needs a person ends the task; one that mends itself does not', (t) => {
  const catalogue = catalogueOf(new Map([record(group, 5)]), 5)
  const sg: TaskTarget = { kind: 'SecurityGroup', name: 'web', action: 'apply', revision: 5 }
  const failing = (code: 'PUR_NFT_REFUSED' | 'PUR_OVS_UNREACHABLE'): HostView => ({
    ...whole,
    lanes: {
      ...whole.lanes,
      netfilter: {
        ...UNSEEN_LANE,
        passedRevision: 5,
        failure: { summary: 'load', error: new PurlinError(code, { message: 'no' }) },
      },
    },
  })
  t.is(standingOf([sg], catalogue, () => failing('PUR_NFT_REFUSED')).error?.code, 'PUR_NFT_REFUSED')
  t.is(standingOf([sg], catalogue, () => failing('PUR_OVS_UNREACHABLE')).error, undefined)
})

test('a target that was changed or deleted again since is done', (t) => {
  const changed = catalogueOf(new Map([record(vm, 6)]), 6)
  t.is(standingOf([target], changed, () => whole).done, 1)
  t.is(standingOf([target], catalogueOf(new Map(), 6), () => whole).done, 1)
})

test('a deleted machine is done when every lane has let go of it', (t) => {
  const gone: TaskTarget = { ...target, action: 'delete', revision: 6 }
  const catalogue = catalogueOf(new Map(), 6)
  t.is(standingOf([gone], catalogue, () => whole).done, 0)
  const later = {
    ...whole,
    lanes: { netfilter: passed(6), vswitch: passed(6), virt: passed(6), storage: passed(6) },
  }
  t.is(standingOf([gone], catalogue, () => later).done, 1)
})
