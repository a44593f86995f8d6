import test from 'ava'
import { type Probe, probeFrame, readProbe } from './frame.ts'
import { deadReason, probeMatrix, tunnelTo } from './matrix.ts'

const probe: Probe = { run: 'r', host: 'one', uplink: 'up0', vlan: 100, size: 'full' }

test('a frame of the probe has its VLAN, the payload that was asked for, and is read back', (t) => {
  const frame = probeFrame(probe, { payloadBytes: 1_500, tagged: true })
  t.is(frame.length, 14 + 4 + 1_500)
  t.is(frame.toString('hex', 0, 6), '03505552 4c4e'.replace(' ', ''))
  t.is((frame[6] ?? 0) & 3, 2, 'its source is of local administration and of one host')
  t.deepEqual(readProbe(frame), { probe, tag: 100 })
  const untagged = probeFrame(probe, { payloadBytes: 46, tagged: false })
  t.deepEqual(readProbe(untagged), { probe, tag: undefined })
})

test('any other frame is no probe', (t) => {
  const frame = probeFrame(probe, { payloadBytes: 46, tagged: true })
  t.is(readProbe(frame.subarray(0, 30)), undefined)
  t.is(readProbe(Buffer.alloc(60)), undefined)
  const broken = Buffer.from(frame)
  broken[30] = 0
  t.is(readProbe(broken), undefined)
})

test('a path is reachable, its MTU too small, or its frames are dropped', (t) => {
  const parties = ['one', 'two'].map((host) => ({ host, uplinks: ['up0'] }))
  const heard = (from: string, vlan: number, size: 'small' | 'full') => {
    return { from, uplink: 'up0', vlan, size, by: 'up0' }
  }
  const paths = probeMatrix(
    [100, 200],
    parties,
    new Map([
      ['two', [heard('one', 100, 'small'), heard('one', 100, 'full'), heard('one', 200, 'small')]],
      ['one', [heard('two', 100, 'full')]],
    ]),
  )
  t.deepEqual(
    paths.map(({ vlan, from, state }) => `${vlan} ${from} ${state}`),
    ['100 one reachable', '100 two reachable', '200 one mtu-too-small', '200 two dropped'],
  )
  t.is(deadReason(paths, { vlan: 100, from: 'one', to: 'two' }), undefined)
  t.is(
    deadReason(paths, { vlan: 200, from: 'one', to: 'two' }),
    "frames of VLAN 200 from one (up0) reach two only when they are small: the MTU on the way is less than the switch's; frames of VLAN 200 from two (up0) do not reach one",
  )
  t.regex(
    deadReason(paths, { vlan: 100, from: 'one', to: 'three' }) ?? '',
    /one has no uplink that leads to three/,
  )
})

test('a direction is well when one of several uplinks is, and a tunnel leads to one host', (t) => {
  const parties = [
    { host: 'one', uplinks: ['up0', 'up1'] },
    { host: 'two', uplinks: [tunnelTo('one'), tunnelTo('three')] },
  ]
  const came = { from: 'one', uplink: 'up1', vlan: 0, size: 'full', by: 'up0' } as const
  const back = { ...came, from: 'two', uplink: tunnelTo('one') }
  const paths = probeMatrix(
    [0],
    parties,
    new Map([
      ['two', [came]],
      ['one', [back]],
    ]),
  )
  t.deepEqual(
    paths.map(({ uplink, to, state }) => `${uplink} ${to} ${state}`),
    ['up0 two dropped', 'up1 two reachable', 'tunnel to one one reachable'],
  )
  t.is(deadReason(paths, { vlan: 0, from: 'one', to: 'two' }), undefined)
})
