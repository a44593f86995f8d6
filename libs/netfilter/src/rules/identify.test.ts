import { randomBytes } from 'node:crypto'
import { type InboundRule, type SecurityGroupSpec, securityGroupSpec } from '@purlin/schema'
import test from 'ava'
import fc from 'fast-check'
import { contentOf, identifyRules } from './identify.ts'

/** Few contents, so that lists hold equal rules. */
const rule = fc
  .record({ port: fc.integer({ min: 1, max: 5 }), allow: fc.boolean(), enabled: fc.boolean() })
  .map(({ port, allow, enabled }) => ({
    family: 'ipv4' as const,
    protocol: 'tcp' as const,
    ports: [String(port)],
    action: allow ? ('allow' as const) : ('deny' as const),
    enabled,
  }))
const lists = fc.record({
  inbound: fc.array(rule, { maxLength: 8 }),
  outbound: fc.array(rule, { maxLength: 8 }),
})
const spec = (parts: object): SecurityGroupSpec => securityGroupSpec.parse(parts)
const identified = lists.map((parts) => identifyRules(undefined, spec(parts), randomBytes))

function idsOf(group: SecurityGroupSpec): (string | undefined)[] {
  return [...group.inbound, ...group.outbound].map(({ id }) => id)
}

function withoutIds(group: SecurityGroupSpec): SecurityGroupSpec {
  const bare = ({ id: _id, ...rest }: InboundRule) => rest
  return { ...group, inbound: group.inbound.map(bare), outbound: group.outbound.map(bare) }
}

test('every rule gets an id that is its own in the group', (t) => {
  fc.assert(
    fc.property(identified, lists, (former, parts) => {
      const next = identifyRules(former, spec(parts), randomBytes)
      const ids = idsOf(next)
      t.true(ids.every((id) => id !== undefined))
      t.is(new Set(ids).size, ids.length)
      t.notThrows(() => securityGroupSpec.parse(next))
      t.deepEqual(withoutIds(next), spec(parts))
    }),
  )
})

test('the same manifest again, without ids, changes nothing', (t) => {
  fc.assert(
    fc.property(identified, (former) => {
      t.deepEqual(identifyRules(former, withoutIds(former), randomBytes), former)
    }),
  )
})

test('ids go with their rules into any other order', (t) => {
  fc.assert(
    fc.property(
      identified.chain((former) =>
        fc.tuple(
          fc.constant(former),
          fc.shuffledSubarray(former.inbound, { minLength: former.inbound.length }),
        ),
      ),
      ([former, order]) => {
        const moved = withoutIds({ ...former, inbound: order })
        const next = identifyRules(former, moved, randomBytes)
        t.deepEqual(idsOf(next).toSorted(), idsOf(former).toSorted())
        const contents = new Map(former.inbound.map((one) => [one.id, contentOf(one)]))
        for (const one of next.inbound) t.is(contents.get(one.id), contentOf(one))
      },
    ),
  )
})

test('a rule that was changed at its place keeps its id, and so do all others', (t) => {
  const pairs = identified
    .filter(({ inbound }) => inbound.length > 0)
    .chain((former) =>
      fc.tuple(fc.constant(former), fc.nat({ max: former.inbound.length - 1 }), fc.string()),
    )
  fc.assert(
    fc.property(pairs, ([former, place, description]) => {
      const changed = former.inbound.map((one, index) =>
        index === place ? { ...one, description } : one,
      )
      const next = identifyRules(former, withoutIds({ ...former, inbound: changed }), randomBytes)
      t.deepEqual(idsOf(next), idsOf(former))
    }),
  )
})

test('a rule that is inserted gets a new id, and all others keep theirs', (t) => {
  const cases = identified.chain((former) =>
    fc.tuple(fc.constant(former), fc.nat({ max: former.inbound.length })),
  )
  fc.assert(
    fc.property(cases, ([former, place]) => {
      const fresh = { ...spec({ inbound: [{ ...sample, description: 'new' }] }).inbound[0] }
      const inbound = former.inbound.toSpliced(place, 0, fresh as InboundRule)
      const next = identifyRules(former, withoutIds({ ...former, inbound }), randomBytes)
      t.false(idsOf(former).includes(next.inbound[place]?.id))
      t.deepEqual(next.inbound.toSpliced(place, 1), former.inbound)
    }),
  )
})

const sample = { family: 'ipv4', protocol: 'tcp', ports: ['9'], action: 'allow' } as const

test('an id that was written stays, wherever it stands', (t) => {
  const former = spec({ inbound: [{ ...sample, id: 'ssh' }] })
  const moved = spec({ outbound: [{ ...sample, id: 'ssh' }], inbound: [sample] })
  const next = identifyRules(former, moved, randomBytes)
  t.is(next.outbound[0]?.id, 'ssh')
  t.not(next.inbound[0]?.id, 'ssh')
})

test('the id of a rule that went is not given to another', (t) => {
  const zeros = (count: number): Uint8Array => new Uint8Array(count)
  const draws = [zeros(8), zeros(8), new Uint8Array(8).fill(1)]
  const former = identifyRules(undefined, spec({ inbound: [sample] }), () => zeros(8))
  t.is(former.inbound[0]?.id, 'r-00000000')
  const rules = [
    { ...sample, id: 'kept' },
    { ...sample, ports: ['10'] },
  ]
  const next = identifyRules(former, spec({ inbound: rules }), () => draws.shift() ?? zeros(8))
  t.is(next.inbound[1]?.id, 'r-11111111')
})

test('equal rules keep their ids in the order in which they stand', (t) => {
  const twice = spec({
    inbound: [
      { ...sample, id: 'a' },
      { ...sample, id: 'b' },
    ],
  })
  const next = identifyRules(twice, spec({ inbound: [sample, sample, sample] }), randomBytes)
  t.deepEqual(
    next.inbound.slice(0, 2).map(({ id }) => id),
    ['a', 'b'],
  )
})
