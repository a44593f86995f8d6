import { fact, PurlinError } from '@purlin/base'
import { kinds, type Manifest } from '@purlin/schema'
import { catalogueOf, resourceKey, type StoredRecord, type TaskTarget } from '@purlin/service'
import test from 'ava'
import { type HostView, type LaneView, UNSEEN_LANE } from '../status/host-view.ts'
import { standingOf } from './target.ts'

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
    machines: new Map([['web-1', { state: 'stopped' as const, pendingRestart: false }]]),
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

/** Rules of machines that a host no longer has stood in its kernel, Open vSwitch and libvirt were
 *  away, and so nobody could say that the NICs were unused: every change of a group waited for
 *  that, to its deadline. */
test('a group is done while rules of ports that nobody wants wait for their users to go', (t) => {
  const left = { revision: 5, ports: ['old-1.eth0'] }
  const netfilter: LaneView = {
    ...{ passedRevision: 5, convergedRevision: 0, leftovers: left },
    waiting: ['take the rules of old-1.eth0 away'],
  }
  const view: HostView = { ...whole, lanes: { ...whole.lanes, netfilter } }
  const catalogue = catalogueOf(new Map([record(group, 5)]), 5)
  const change: TaskTarget = { kind: 'SecurityGroup', name: 'web', action: 'apply', revision: 5 }
  t.is(standingOf([change], catalogue, () => view).text, 'done')
  const none = catalogueOf(new Map(), 6)
  const gone = (kind: 'SecurityGroup' | 'VirtualMachine', name: string): string =>
    standingOf([{ kind, name, action: 'delete', revision: 5 }], none, () => view).text
  t.is(gone('SecurityGroup', 'app'), 'done')
  t.is(gone('VirtualMachine', 'web-1'), 'done')
  t.regex(gone('VirtualMachine', 'old-1'), /take the rules of old-1\.eth0 away/, 'its own')
  const older = { ...netfilter, leftovers: { ...left, revision: 4 } }
  const before: HostView = { ...whole, lanes: { ...whole.lanes, netfilter: older } }
  t.not(standingOf([change], catalogue, () => before).text, 'done', 'not seen after the change')
})
