import test from 'ava'
import { flatten } from '../flatten.ts'
import { decidingRule } from '../interpret.ts'
import { Generator } from '../testing/generator.ts'
import { boundariesOf, randomPacket } from '../testing/random-packet.ts'
import { randomDesired, withMemberChange } from '../testing/random-policy.ts'
import { sampleGroup, sampleNic } from '../testing/sample.ts'
import { type ShadowedRule, shadowedRules } from './shadow.ts'

const tcp = { family: 'ipv4', protocol: 'tcp', action: 'allow' }

const shadows = test.macro({
  title: (title) => `${title}`,
  exec(
    t,
    rules: readonly object[],
    expected: readonly Partial<ShadowedRule>[],
    extra: object = {},
  ) {
    const group = sampleGroup({ allowWithinGroup: false, inbound: rules, ...extra })
    const found = shadowedRules(group, 'inbound', 'web')
    t.is(found.length, expected.length)
    found.forEach((one, index) => {
      t.like(one, expected[index] ?? {})
    })
  },
})

test(
  'the same rule again is a duplicate',
  shadows,
  [
    { ...tcp, ports: ['80'] },
    { ...tcp, ports: ['80'] },
  ],
  [{ priority: 1, kind: 'duplicate', by: [0], why: 'says what rule 0 says' }],
)
test(
  'the same packets with the opposite action are a contradiction',
  shadows,
  [
    { ...tcp, ports: ['80'] },
    { ...tcp, ports: ['80'], action: 'deny' },
  ],
  [{ priority: 1, kind: 'contradicted', by: [0] }],
)
test(
  'a rule within a wider one is covered',
  shadows,
  [
    { ...tcp, source: { cidrs: ['10.0.0.0/8'] } },
    { ...tcp, ports: ['80'], source: { cidrs: ['10.1.0.0/16'] } },
  ],
  [{ priority: 1, kind: 'covered', by: [0] }],
)
test(
  'several rules cover one together',
  shadows,
  [
    { ...tcp, ports: ['1-100'] },
    { ...tcp, ports: ['101-200'], action: 'deny' },
    { ...tcp, ports: ['50-150'] },
  ],
  [{ priority: 2, kind: 'covered', by: [0, 1] }],
)
test(
  'halves of a network cover it',
  shadows,
  [
    { ...tcp, source: { cidrs: ['10.0.0.0/9'] } },
    { ...tcp, source: { cidrs: ['10.128.0.0/9'] } },
    { ...tcp, source: { cidrs: ['10.0.0.0/8'] } },
  ],
  [{ priority: 2, by: [0, 1] }],
)
test(
  'networks that leave a gap do not',
  shadows,
  [
    { ...tcp, source: { cidrs: ['10.0.0.0/9'] } },
    { ...tcp, source: { ranges: ['10.128.0.0-10.255.255.254'] } },
    { ...tcp, source: { cidrs: ['10.0.0.0/8'] } },
  ],
  [],
)
test(
  'a group is not covered by addresses, whoever its members are now',
  shadows,
  [
    { ...tcp, source: { cidrs: ['10.0.0.0/8'] } },
    { ...tcp, source: { groups: ['db'] } },
  ],
  [],
)
test(
  'a group is covered by every address there is',
  shadows,
  [
    { ...tcp, source: { cidrs: ['0.0.0.0/1', '128.0.0.0/1'] } },
    { ...tcp, source: { groups: ['db'] } },
  ],
  [{ priority: 1, by: [0] }],
)
test(
  'the members rule covers what is said of members',
  shadows,
  [{ ...tcp, source: { self: true } }],
  [{ priority: 0, by: ['members'] }],
  { allowWithinGroup: true },
)
test(
  'a rule that is switched off covers nothing',
  shadows,
  [
    { ...tcp, enabled: false },
    { ...tcp, ports: ['80'] },
  ],
  [],
)
test(
  'a rule of every icmp type covers a code of one',
  shadows,
  [
    { family: 'ipv4', protocol: 'icmp', action: 'allow' },
    { family: 'ipv4', protocol: 'icmp', action: 'deny', icmp: { type: 3, code: 1 } },
  ],
  [{ priority: 1, by: [0] }],
)

test('a rule that is named decides no packet, of whatever membership', (t) => {
  const random = new Generator(20_261_121)
  let named = 0
  for (let policy = 0; policy < 60; policy++) {
    let desired = randomDesired(random)
    for (const [name, spec] of desired.groups) {
      const dead = new Set(shadowedRules(spec, 'inbound', name).map((one) => one.priority))
      named += dead.size
      const nic = sampleNic('b', [name])
      for (let change = 0; change < 3; change++) {
        desired = withMemberChange(random, desired)
        const list = flatten(nic, 'inbound', desired)
        const boundaries = boundariesOf(desired)
        for (let at = 0; at < 50; at++) {
          const rule = decidingRule(list, randomPacket(random, boundaries))
          t.false(rule !== undefined && dead.has(Number(rule.provenance.priority)))
        }
      }
    }
  }
  t.true(named > 20)
})
