import type { StoredRecord } from '@purlin/service'
import test from 'ava'
import { ConditionHistory } from './conditions.ts'
import type { HostView } from './host-view.ts'
import { readinessOf } from './readiness.ts'

const done = { passedRevision: 9, convergedRevision: 9, waiting: [] }
const viewWith = (state?: string): HostView => ({
  facts: new Set(),
  lanes: { netfilter: done, vswitch: done, virt: done, storage: done },
  machines: new Map(),
  switches: new Map([
    [
      'dvs0',
      {
        ...{ datapath: 'netdev', foreignFlows: 0 },
        uplinks: [{ name: 'eth1', state: 'down' as const, down: ['eth1'] }],
        ...(state !== undefined && { uplinkChange: { state } }),
      },
    ],
  ]),
})
const spec = { mtu: 1500, transport: 'vlan', uplinks: [], bonds: [], hosts: [], confirmSeconds: 0 }
const record = {
  manifest: { kind: 'DistributedSwitch', name: 'dvs0', spec },
  ...{ uid: 'u', generation: 1, revision: 3, createdAtMs: 0 },
} as StoredRecord

test('a switch whose new uplinks nobody confirmed is not ready, and says what to do', (t) => {
  t.is(readinessOf(record, viewWith()).status, 'true')
  t.is(readinessOf(record, viewWith('trying')).status, 'true')
  const found = readinessOf(record, viewWith('rejected'))
  t.is(found.status, 'false')
  t.is(found.error?.code, 'PUR_UPLINK_UNCONFIRMED')
  t.regex(found.message, /went back to those before/)
})

test('the status of a switch shows its datapath and which uplinks carry', (t) => {
  const status = new ConditionHistory().statusOf(record, viewWith(), 1)
  t.is(status.datapath, 'netdev')
  t.deepEqual(status.uplinks, [{ name: 'eth1', state: 'down', down: ['eth1'] }])
})
