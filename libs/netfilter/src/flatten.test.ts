import test from 'ava'
import { flatten } from './flatten.ts'
import { desiredOf, sampleDesired, sampleGroup, sampleNic } from './testing/sample.ts'

const placesOf = (letter: string, groups: readonly string[], direction: 'inbound' | 'outbound') =>
  flatten(sampleNic(letter, groups), direction, sampleDesired).rules.map(
    ({ provenance }) => `${provenance.group}/${provenance.priority}`,
  )

test('groups stand in the order of the NIC, each with its members rule first', (t) => {
  const web = ['web/members', ...Array.from({ length: 8 }, (_, at) => `web/${at}`)]
  const ops = Array.from({ length: 4 }, (_, at) => `ops/${at}`)
  t.deepEqual(placesOf('b', ['web', 'ops'], 'inbound'), [...web, ...ops])
  t.deepEqual(placesOf('b', ['ops', 'web'], 'inbound'), [...ops, ...web])
})

test('the members rule stands in both directions and for both families', (t) => {
  const list = flatten(sampleNic('b', ['web']), 'outbound', sampleDesired)
  t.is(list.rules.length, 1)
  t.deepEqual(list.rules[0]?.families, ['ipv4', 'ipv6'])
  t.deepEqual(list.rules[0]?.peer, { ranges: [], groups: ['web'] })
})

test('a rule that is switched off leaves, and the others keep their priorities', (t) => {
  const rule = { family: 'ipv4', protocol: 'tcp', action: 'allow' }
  const group = sampleGroup({ inbound: [rule, { ...rule, enabled: false }, rule] })
  const desired = desiredOf([sampleNic('b', ['g'])], { g: group })
  const list = flatten(sampleNic('b', ['g']), 'inbound', desired)
  t.deepEqual(
    list.rules.map(({ provenance }) => provenance.priority),
    ['members', 0, 2],
  )
})

test('a rule carries its own id, and whether it is logged', (t) => {
  const rule = { family: 'ipv4', protocol: 'tcp', action: 'allow' }
  const group = sampleGroup({
    allowWithinGroup: false,
    inbound: [{ ...rule, id: 'ssh', log: true }, rule],
  })
  const { rules } = flatten(sampleNic('b', ['g']), 'inbound', desiredOf([], { g: group }))
  t.deepEqual(
    rules.map(({ provenance, log }) => [provenance, log]),
    [
      [{ group: 'g', priority: 0, id: 'ssh' }, true],
      [{ group: 'g', priority: 1 }, false],
    ],
  )
})

test('a NIC without groups has no list', (t) => {
  t.false(flatten(sampleNic('c', []), 'inbound', sampleDesired).filtered)
})

test('overlapping peers become disjoint ranges', (t) => {
  const source = { cidrs: ['10.0.0.0/30', '10.0.0.2/31'], addresses: ['10.0.0.4', '10.0.0.9'] }
  const group = sampleGroup({
    allowWithinGroup: false,
    inbound: [
      { family: 'ipv4', protocol: 'tcp', ports: ['90', '80-85', '83-89'], action: 'deny', source },
    ],
  })
  const list = flatten(sampleNic('b', ['g']), 'inbound', desiredOf([], { g: group }))
  const [rule] = list.rules
  t.deepEqual(
    rule?.peer?.ranges.map(({ first, last }) => [first & 255n, last & 255n]),
    [
      [0n, 4n],
      [9n, 9n],
    ],
  )
  t.deepEqual(
    rule?.ports?.map(({ first, last }) => [first, last]),
    [[80, 90]],
  )
})

test('an address of a rule that cannot be read is refused with its place', (t) => {
  const group = sampleGroup({ inbound: [{ family: 'ipv4', protocol: 'all', action: 'allow' }] })
  const broken = {
    ...group,
    inbound: group.inbound.map((rule) => ({
      ...rule,
      source: { cidrs: ['db.example'], addresses: [], ranges: [], groups: [], self: false },
    })),
  }
  const error = t.throws(() =>
    flatten(sampleNic('b', ['g']), 'inbound', desiredOf([], { g: broken })),
  )
  t.like(error, { code: 'PUR_INVALID', context: { group: 'g', priority: 0 } })
})
