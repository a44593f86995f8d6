import { type Fact, PurlinError } from '@purlin/base'
import type { StoredRecord } from '@purlin/service'
import test from 'ava'
import { heardView, tellLanes, tellSight } from '../fleet/sight.ts'
import { FleetState } from './fleet-state.ts'
import { HostState } from './host-state.ts'
import type { HostView, LaneView } from './host-view.ts'

const lane = (revision: number, more: Partial<LaneView> = {}): LaneView => ({
  passedRevision: revision,
  convergedRevision: revision,
  waiting: [],
  ...more,
})

const view = (revision: number, more: Partial<HostView> = {}): HostView => ({
  facts: new Set(),
  lanes: {
    netfilter: lane(revision),
    vswitch: lane(revision),
    virt: lane(revision),
    storage: lane(revision),
  },
  machines: new Map(),
  ...more,
})

const on = (host: string | undefined) =>
  ({ manifest: { spec: { host } } }) as unknown as StoredRecord

function fleetOf(others: Readonly<Record<string, HostView>>): FleetState {
  const local = new HostState(() => ({ laneRevision: 0, revision: 0 }))
  const hostOf = ({ manifest }: StoredRecord) => (manifest.spec as { host?: string }).host
  const fleet = new FleetState(local, 'a', hostOf)
  fleet.see(new Map(Object.entries(others)))
  return fleet
}

test('all hosts together are no further than the slowest, and failed where one has', (t) => {
  const failure = { summary: 'load', error: new PurlinError('PUR_NFT_REFUSED', { message: 'no' }) }
  const waiting = lane(7, { waiting: ['a tap'] })
  const b = view(7, {
    lanes: { netfilter: lane(3, { failure }), vswitch: waiting, virt: lane(7), storage: lane(7) },
  })
  const merged = fleetOf({ b, c: view(9) }).viewOf()
  t.is(merged.lanes.netfilter.convergedRevision, 0)
  t.is(merged.lanes.netfilter.failure?.summary, 'b: load')
  t.is(merged.lanes.netfilter.failure?.error.code, 'PUR_NFT_REFUSED')
  t.deepEqual(merged.lanes.vswitch.waiting, ['b: a tap'])
  t.is(fleetOf({}).viewOf().lanes.netfilter.failure, undefined)
})

test('what is on one host is judged by that host alone; by nobody while it is away', (t) => {
  const machines = new Map([['web-1', { state: 'running' as const, pendingRestart: false }]])
  const fleet = fleetOf({ b: view(9, { machines }) })
  t.is(fleet.viewOf(on('b')).machines.get('web-1')?.state, 'running')
  t.is(fleet.viewOf(on('b')).lanes.virt.convergedRevision, 9)
  t.is(fleet.viewOf(on('a')).lanes.virt.convergedRevision, 0)
  const stranger = { name: 'x', uuid: 'u', state: 'running' as const, cpus: 1, memoryMiB: 64 }
  const seen = (host: string) => view(9, { foreign: [{ ...stranger, host }] })
  t.deepEqual(
    fleetOf({ b: seen('b'), c: seen('c') })
      .viewOf()
      .foreign?.map(({ host }) => host),
    ['b', 'c'],
  )
  const away = fleet.viewOf(on('c'))
  t.is(away.lanes.virt.passedRevision, 0)
  t.regex(away.lanes.virt.waiting.join(), /host c to come back/)
})

test('what a host tells of itself is heard as it was, with codes that are not known here', (t) => {
  const error = new PurlinError('PUR_NFT_REFUSED', { message: 'refused' })
  const told = view(4, {
    facts: new Set(['nic web-1.eth0 enforced' as Fact]),
    lanes: {
      netfilter: lane(4, { failure: { summary: 'load', error } }),
      vswitch: lane(4),
      virt: lane(4),
      storage: lane(4),
    },
    machines: new Map([['web-1', { state: 'stopped', pendingRestart: true }]]),
    nics: new Map([['web-1.eth0', { filter: 'enforced', guardsOff: [], alwaysOpen: [] }]]),
  })
  const sent = <Value>(value: Value): Value => JSON.parse(JSON.stringify(value))
  const heard = heardView(sent(tellLanes(told)), sent(tellSight(told)))
  t.deepEqual(heard.facts, told.facts)
  t.deepEqual(heard.machines, told.machines)
  t.deepEqual(heard.nics, told.nics)
  t.is(heard.lanes.netfilter.failure?.error.code, 'PUR_NFT_REFUSED')
  t.is(heard.lanes.netfilter.failure?.error.message, 'refused')
  const lanes = sent(tellLanes(told))
  const newer = {
    ...lanes,
    virt: { ...lanes.virt, failure: { summary: 's', code: 'PUR_NEW', message: 'm' } },
  }
  t.is(heardView(newer, undefined).lanes.virt.failure?.error.code, 'PUR_INTERNAL')
})
