import test from 'ava'
import type { NetfilterDesired } from '../policy/desired.ts'
import { desiredOf, sampleDesired, sampleGroup, sampleNic } from '../testing/sample.ts'
import { compileOpenflow, flowText, renderFlows } from './index.ts'

/** Every NIC on a port of its own in network 100, an uplink beside them. */
function flowsOf(desired: NetfilterDesired) {
  const plugs = new Map(
    desired.nics.map(({ port }, index) => [port, { port: 10 + index, vlan: 100 }]),
  )
  return compileOpenflow(desired, { plugs, outside: [{ port: 1 }] })
}

test('the flows of a small host', (t) => {
  const nics = [sampleNic('a', ['ops']), sampleNic('c', [])]
  t.snapshot(renderFlows(flowsOf({ ...sampleDesired, nics }).flows))
})

test('every cookie has an origin, and every origin a cookie of its own', (t) => {
  const { flows, origins } = flowsOf(sampleDesired)
  t.is(origins.size, new Set(flows.map(({ origin }) => origin)).size)
  t.true([...origins.keys()].every((cookie) => /^0x70[0-9a-f]{14}$/.test(cookie)))
})

test('no two flows of one table and priority ask for the same', (t) => {
  const places = flowsOf(sampleDesired).flows.map((flow) =>
    flowText({ ...flow, actions: [], origin: '' }),
  )
  t.is(new Set(places).size, places.length)
})

test('a change of one list leaves every other flow as it was', (t) => {
  const ops = sampleDesired.groups.get('ops')
  if (ops === undefined) return t.fail('no group ops')
  const shorter = { ...ops, inbound: ops.inbound.slice(1) }
  const changed = { ...sampleDesired, groups: new Map(sampleDesired.groups).set('ops', shorter) }
  const before = new Set(flowsOf(sampleDesired).flows.map(flowText))
  const after = flowsOf(changed).flows.filter((flow) => !before.has(flowText(flow)))
  t.true(after.length > 0)
  t.true(after.every(({ table, origin }) => table === 32 && /^(ops|web)\//.test(origin)))
})

test('a rule with many addresses and many ports is two lists that a conjunction joins', (t) => {
  const addresses = Array.from({ length: 500 }, (_, index) => `10.${index % 250}.${index}.1`)
  const usable = addresses.filter((text) => text.split('.').every((part) => Number(part) < 256))
  const rule = {
    family: 'ipv4',
    protocol: 'tcp',
    ports: ['1000-3000', '5001-9998'],
    source: { addresses: usable },
    action: 'allow',
  }
  const group = sampleGroup({ allowWithinGroup: false, inbound: [rule] })
  const { flows } = flowsOf(desiredOf([sampleNic('a', ['web'])], { web: group }))
  const own = flows.filter(({ origin }) => origin === 'web/inbound/0')
  t.true(own.length > usable.length && own.length < usable.length + 50, String(own.length))
  t.is(own.filter(({ match }) => match.some(({ field }) => field === 'conj_id')).length, 1)
})

test('NICs with equal lists share them', (t) => {
  const nics = ['1', '2', '3'].map((letter) => sampleNic(letter, ['web']))
  const { flows } = flowsOf({ ...sampleDesired, nics })
  t.is(flows.filter(({ origin }) => origin === 'default/inbound/deny').length, 1)
})

test('a NIC on a trunk has no flows, is said not to be enforced, and is closed', (t) => {
  const trunk = { ...sampleNic('a', []), trunk: true }
  const { flows, notEnforced } = flowsOf({ ...sampleDesired, nics: [trunk] })
  t.deepEqual(notEnforced, ['a.eth0'])
  t.false(flows.some(({ match }) => match.some(({ value }) => value === 10n)))
  t.true(flows.some(({ origin }) => origin === 'closed-port'))
})

test('a word in place of an address never reaches the text', (t) => {
  const nic = { ...sampleNic('a', []), ipv4: ['db.example'] }
  t.throws(() => flowsOf({ ...sampleDesired, nics: [nic] }), { code: 'PUR_INVALID' })
})
