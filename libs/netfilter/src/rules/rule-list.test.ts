import { PurlinError } from '@purlin/base'
import { type InboundRule, type SecurityGroupSpec, securityGroupSpec } from '@purlin/schema'
import test from 'ava'
import fc from 'fast-check'
import { attachGroup, detachGroup, reorderGroups } from './nic-groups.ts'
import { findRule, insertRules, modifyRule, moveRule, removeRule } from './rule-list.ts'

const rule = (id: string): object => ({
  id,
  family: 'ipv4',
  protocol: 'tcp',
  ports: ['80'],
  action: 'allow',
})
const groupOf = (...ids: string[]): SecurityGroupSpec =>
  securityGroupSpec.parse({ inbound: ids.map(rule), outbound: [rule('out')] })
const idsOf = (spec: SecurityGroupSpec): string => spec.inbound.map(({ id }) => id).join(' ')
const added = (...ids: string[]) => ({
  direction: 'inbound' as const,
  rules: groupOf(...ids).inbound as InboundRule[],
})

function refusal(call: () => unknown): { code: string; path: string | undefined; text: string } {
  try {
    call()
  } catch (thrown) {
    if (thrown instanceof PurlinError) {
      return { code: thrown.code, path: thrown.problems[0]?.path, text: thrown.message }
    }
  }
  throw new Error('nothing was refused')
}

test('rules go behind the others, or from a priority on; the others move down', (t) => {
  const spec = groupOf('a', 'b', 'c')
  t.is(idsOf(insertRules('web', spec, added('x', 'y'))), 'a b c x y')
  t.is(idsOf(insertRules('web', spec, added('x', 'y'), 1)), 'a x y b c')
  t.is(idsOf(insertRules('web', spec, added('x'), 3)), 'a b c x')
})

test('a priority beyond the end is a gap and refused, with what is possible', (t) => {
  const spec = groupOf('a', 'b')
  t.deepEqual(
    refusal(() => insertRules('web', spec, added('x'), 3)),
    {
      code: 'PUR_SG_PRIORITY_GAP',
      path: 'priority',
      text: 'priority: must be 0 to 2 in the inbound list of SecurityGroup web, found 3: priorities have no gaps',
    },
  )
  const first = { direction: 'inbound', priority: 0 } as const
  t.is(refusal(() => moveRule('web', spec, first, 2)).code, 'PUR_SG_PRIORITY_GAP')
})

test('whatever is inserted, moved and removed, no other rule changes its order', (t) => {
  const cases = fc
    .uniqueArray(fc.integer({ min: 0, max: 99 }), { minLength: 1, maxLength: 10 })
    .chain((ids) => {
      const place = fc.nat({ max: ids.length - 1 })
      return fc.tuple(fc.constant(ids.map((id) => `r${id}`)), place, place)
    })
  fc.assert(
    fc.property(cases, ([ids, from, to]) => {
      const spec = groupOf(...ids)
      const at = { direction: 'inbound', priority: from } as const
      const moved = moveRule('web', spec, at, to)
      t.is(moved.inbound[to]?.id, ids[from])
      const others = ids.toSpliced(from, 1).join(' ')
      t.is(idsOf(removeRule(moved, { direction: 'inbound', priority: to })), others)
      t.is(idsOf(removeRule(spec, at)), others)
      t.deepEqual(moved.outbound, spec.outbound)
    }),
  )
})

test('a change of fields keeps id and place; null takes a field away', (t) => {
  const spec = groupOf('a', 'b')
  const at = { direction: 'inbound', priority: 1 } as const
  const closed = modifyRule(spec, at, { action: 'deny', ports: null, protocol: 'all' })
  t.deepEqual(closed.inbound[1], {
    id: 'b',
    family: 'ipv4',
    protocol: 'all',
    action: 'deny',
    enabled: true,
    log: false,
  })
  t.is(closed.inbound[0], spec.inbound[0])
})

test('a rule that would not be whole is refused with the path of its field', (t) => {
  const at = { direction: 'inbound', priority: 0 } as const
  const first = refusal(() => modifyRule(groupOf('a'), at, { protocol: 'icmp' }))
  t.deepEqual([first.code, first.path], ['PUR_INVALID', 'ports'])
  const peer = { addresses: ['fd00::1'], cidrs: [], ranges: [], groups: [], self: false }
  t.is(refusal(() => modifyRule(groupOf('a'), at, { source: peer })).path, 'source.addresses[0]')
  t.is(refusal(() => modifyRule(groupOf('a'), at, { destination: peer })).path, 'destination')
})

test('a rule is found by its id or its place', (t) => {
  const spec = groupOf('a', 'b')
  t.deepEqual(findRule('web', spec, 'b'), { direction: 'inbound', priority: 1 })
  t.deepEqual(findRule('web', spec, 'out'), { direction: 'outbound', priority: 0 })
  t.deepEqual(findRule('web', spec, 'outbound:0'), { direction: 'outbound', priority: 0 })
  const beyond = refusal(() => findRule('web', spec, 'inbound:2'))
  t.deepEqual([beyond.code, beyond.path], ['PUR_SG_RULE_MISSING', 'rule'])
  t.regex(beyond.text, /has 2 rules, none at priority 2/)
  t.is(refusal(() => findRule('web', spec, 'r-gone')).code, 'PUR_SG_RULE_MISSING')
})

test('groups of a NIC are attached at a place, detached and put into another order', (t) => {
  const nic = { nic: 'web-1/eth0', groups: ['ops', 'web'] }
  t.deepEqual(attachGroup(nic, 'db'), ['ops', 'web', 'db'])
  t.deepEqual(attachGroup(nic, 'db', 0), ['db', 'ops', 'web'])
  t.deepEqual(detachGroup(nic, 'ops'), ['web'])
  t.deepEqual(reorderGroups(nic, ['web', 'ops']), ['web', 'ops'])
})

test('a NIC’s groups stay the ones they are where a call does not fit them', (t) => {
  const nic = { nic: 'web-1/eth0', groups: ['ops', 'web'] }
  t.like(
    refusal(() => attachGroup(nic, 'web')),
    { code: 'PUR_INVALID', path: 'group' },
  )
  t.is(refusal(() => attachGroup(nic, 'db', 3)).code, 'PUR_SG_PRIORITY_GAP')
  t.like(
    refusal(() => detachGroup(nic, 'db')),
    { code: 'PUR_INVALID', path: 'group' },
  )
  const { text } = refusal(() => reorderGroups(nic, ['web', 'web', 'db']))
  t.regex(text, /lacks ops; names db, which the NIC does not have; names web more than once/)
})
