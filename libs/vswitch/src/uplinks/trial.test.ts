import test from 'ava'
import type { SwitchDesired } from '../desired.ts'
import { confirmTrial, readRecord, tryUplinks, uplinkTrial } from './trial.ts'

const wanted = (...uplinks: string[]): SwitchDesired => ({
  ...{ name: 'dvs0', mtu: 1500, uplinks, confirmSeconds: 30 },
})
const at = (nowMs: number, process = 'first') => ({ nowMs, process })
const known = tryUplinks(wanted('eth1'), undefined, at(0)).record

for (const state of uplinkTrial.states) {
  for (const event of uplinkTrial.events) {
    test(`a trial that is ${state}, ${event}`, (t) => {
      t.snapshot(uplinkTrial.allows(state, event) ? uplinkTrial.next(state, event) : 'impossible')
    })
  }
}

test('the first uplinks of a switch are known to work, and without a time all of them', (t) => {
  t.deepEqual(known?.confirmed.uplinks, ['eth1'])
  const { effective, record } = tryUplinks(
    { ...wanted('eth2'), confirmSeconds: 0 },
    known,
    at(1_000),
  )
  t.deepEqual(effective.uplinks, ['eth2'])
  t.deepEqual(record?.confirmed.uplinks, ['eth2'])
  t.is(tryUplinks({ ...wanted('eth1'), confirmSeconds: 0 }, undefined, at(0)).record, undefined)
})

test('a change is tried for its time, and then goes back and stays back', (t) => {
  const begun = tryUplinks(wanted('eth2'), known, at(1_000))
  t.deepEqual(begun.effective.uplinks, ['eth2'])
  t.is(begun.record?.deadlineMs, 31_000)
  const runs = tryUplinks(wanted('eth2'), begun.record, at(30_999))
  t.deepEqual(runs.effective.uplinks, ['eth2'])
  t.is(runs.record, begun.record)
  const over = tryUplinks(wanted('eth2'), begun.record, at(31_000))
  t.deepEqual(over.effective.uplinks, ['eth1'])
  t.is(over.record?.state, 'rejected')
  const later = tryUplinks(wanted('eth2'), over.record, at(999_000))
  t.deepEqual(later.effective.uplinks, ['eth1'], 'the same wish is not tried again')
  const other = tryUplinks(wanted('eth3'), over.record, at(999_000))
  t.deepEqual(other.effective.uplinks, ['eth3'], 'another one is')
  t.is(tryUplinks(wanted('eth1'), over.record, at(999_000)).record?.state, 'confirmed')
})

test('a confirmed change holds; one that is confirmed too late does not', (t) => {
  const { record } = tryUplinks(wanted('eth2'), known, at(1_000))
  t.is(confirmTrial(record, at(31_000)), undefined)
  t.is(confirmTrial(record, at(2_000, 'second')), undefined)
  t.is(confirmTrial(known, at(2_000)), undefined)
  const confirmed = confirmTrial(record, at(2_000))
  t.deepEqual(confirmed?.confirmed.uplinks, ['eth2'])
  t.deepEqual(tryUplinks(wanted('eth2'), confirmed, at(99_000)).effective.uplinks, ['eth2'])
})

test('an agent that died in the middle of a trial goes back at its start', (t) => {
  const { record } = tryUplinks(wanted('eth2'), known, at(1_000))
  const after = tryUplinks(wanted('eth2'), record, at(2_000, 'second'))
  t.deepEqual(after.effective.uplinks, ['eth1'])
  t.is(after.record?.state, 'rejected')
})

test('a clock that was set back does not make a trial longer', (t) => {
  const { record } = tryUplinks(wanted('eth2'), known, at(500_000))
  t.deepEqual(tryUplinks(wanted('eth2'), record, at(1_000)).effective.uplinks, ['eth1'])
})

test('a bond and the way of tunnels are tried as uplinks are; peers are not', (t) => {
  const bond = { name: 'bond0', mode: 'active-backup' as const, members: ['eth1', 'eth2'] }
  const bonded = { ...wanted('bond0'), bonds: [bond] }
  t.is(tryUplinks(bonded, known, at(0)).record?.state, 'trying')
  const overlay = {
    ...{ type: 'vxlan' as const, udpPort: 4789, underlay: '192.0.2.1/24' },
    ...{ peers: [], networks: [], stations: [] },
  }
  const tunnelled = { ...wanted('eth1'), overlay }
  const first = tryUplinks(tunnelled, undefined, at(0)).record
  const peers = [{ host: 'two', address: '192.0.2.2' }]
  const more = tryUplinks({ ...tunnelled, overlay: { ...overlay, peers } }, first, at(0))
  t.is(more.record?.state, 'confirmed')
  const moved = { ...tunnelled, overlay: { ...overlay, underlay: '192.0.2.9/24' } }
  t.is(tryUplinks(moved, first, at(0)).record?.state, 'trying')
  t.deepEqual(tryUplinks(wanted('eth2'), first, at(0)).effective.overlay, undefined)
})

test('a torn record is none', (t) => {
  t.is(readRecord('{"state":'), undefined)
  t.is(readRecord('{"state":"odd","confirmed":{"uplinks":[]}}'), undefined)
  t.deepEqual(readRecord(JSON.stringify(known)), known)
})
