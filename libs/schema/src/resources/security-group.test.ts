import test from 'ava'
import { operations } from '../api/operations.ts'
import { inboundRule, rulePatch, securityGroupSpec } from './security-group.ts'

const rule = { family: 'ipv4', protocol: 'tcp', ports: ['80'], action: 'allow' } as const

function problems(
  schema: { safeParse(value: unknown): { error?: { issues: object[] } } },
  value: unknown,
) {
  const { error } = schema.safeParse(value)
  return (error?.issues ?? []).map((issue) => (issue as { path: PropertyKey[] }).path.join('.'))
}

test('ids of rules are unique in the whole group, over both lists', (t) => {
  const one = { ...rule, id: 'a' }
  t.deepEqual(problems(securityGroupSpec, { inbound: [one, { ...rule, id: 'b' }] }), [])
  t.deepEqual(problems(securityGroupSpec, { inbound: [one, one] }), ['inbound.1.id'])
  t.deepEqual(problems(securityGroupSpec, { inbound: [one], outbound: [one] }), ['outbound.0.id'])
})

test('an id is 1 to 40 of a-z, 0-9 and -, and no place', (t) => {
  for (const id of ['a', 'r-7f3k2m9q', '0a4f2a4e-5c1b-4f53-9a38-0f6f3a4a2d01']) {
    t.deepEqual(problems(inboundRule, { ...rule, id }), [])
  }
  for (const id of ['', 'A', '-a', 'inbound:0', 'x'.repeat(41)]) {
    t.deepEqual(problems(inboundRule, { ...rule, id }), ['id'])
  }
})

test('a patch fills in nothing, and knows no id', (t) => {
  t.deepEqual(rulePatch.parse({}), {})
  t.deepEqual(rulePatch.parse({ ports: null, enabled: false }), { ports: null, enabled: false })
  t.is(problems(rulePatch, { id: 'a' }).length, 1)
  t.deepEqual(problems(rulePatch, { ports: ['x'] }), ['ports.0'])
})

test('rules to add are checked by the list they go to', (t) => {
  const { body } = operations.addRules
  const inbound = { ...rule, source: { self: true } }
  t.deepEqual(problems(body, { direction: 'inbound', rules: [inbound] }), [])
  t.is(problems(body, { direction: 'outbound', rules: [inbound] }).length, 1)
  t.deepEqual(problems(body, { direction: 'inbound', rules: [] }), ['rules'])
  t.deepEqual(problems(body, { direction: 'inbound', rules: [rule], priority: -1 }), ['priority'])
})
