import test from 'ava'
import fc from 'fast-check'
import { compile } from '../compile/compile.ts'
import { hostObjects } from '../target/host-objects.ts'
import {
  type Chain,
  elementsByKey,
  type Field,
  type Rule,
  type SetElement,
  type SetShape,
  type Statement,
  type Value,
} from '../target/statement.ts'
import { Generator } from '../testing/generator.ts'
import { randomDesired } from '../testing/random-policy.ts'
import { sampleDesired } from '../testing/sample.ts'
import type { Change } from './change.ts'
import { elementListAttribute, LIST_ITEM, setAttribute, tablesType } from './constants.ts'
import { readRule } from './decode-rule.ts'
import { joinElements, type RawElement, readRawElement, readSetShape } from './decode-set.ts'
import { encodeBatch } from './encode-batch.ts'
import { loadChanges } from './load.ts'
import { type Message, readMessages } from './reader.ts'

/** Messages of a transaction by their type, as the kernel would hand them out again. */
function messagesOf(changes: readonly Change[]): readonly (readonly [number, Message])[] {
  return [...readMessages(encodeBatch(changes, 1).bytes)].map((message) => [
    message.type & 0xff,
    message,
  ])
}

/** Reads the rules of a transaction back. The kernel would number the anonymous sets; here the rule
 *  that names one comes right behind it. */
function readBack(changes: readonly Change[]): readonly (Rule | undefined)[] {
  const rules: (Rule | undefined)[] = []
  let anonymous = new Map<string, readonly RawElement[]>()
  for (const [type, { attributes }] of messagesOf(changes)) {
    if (type === tablesType.newElement) {
      const name = attributes.text(elementListAttribute.set) ?? ''
      const list = attributes.list(elementListAttribute.elements, LIST_ITEM)
      anonymous.set(name, list.map(readRawElement))
    }
    if (type !== tablesType.newRule) continue
    rules.push(readRule(attributes, anonymous))
    anonymous = new Map()
  }
  return rules
}

function addRules(rules: readonly Rule[]): readonly Change[] {
  return rules.map((rule) => ({ change: 'add-rule', table: 'inet', chain: 'c', rule }))
}

/** A rule with two anonymous sets would need their numbers, which only the kernel gives. */
function hasOneAnonymousSet({ statements }: Rule): boolean {
  return statements.filter((one) => one.kind === 'match' && one.values.length > 1).length < 2
}

test('the rules of whole hosts are read back as they were written', (t) => {
  for (const form of ['linear', 'identity'] as const) {
    for (const desired of [sampleDesired, ...[1, 2, 3, 4].map(random)]) {
      const chains = [...hostObjects(compile(desired, { form }), () => 0).chains.values()]
      const rules = chains.flatMap((chain: Chain) => chain.rules).filter(hasOneAnonymousSet)
      t.true(rules.length > 30)
      t.deepEqual(readBack(addRules(rules)), rules)
    }
  }
})

function random(seed: number): ReturnType<typeof randomDesired> {
  return randomDesired(new Generator(seed))
}

test('the sets of whole hosts are read back as they were written', (t) => {
  const objects = hostObjects(compile(random(5), { form: 'identity' }), () => 0)
  const shapes = new Map<string, SetShape>()
  const elements = new Map<string, SetElement[]>()
  for (const [type, { attributes, family }] of messagesOf(loadChanges(objects))) {
    const table = family === 7 ? 'bridge' : 'inet'
    if (type === tablesType.newSet) {
      const name = attributes.text(setAttribute.name) ?? ''
      if (name.startsWith('__')) continue
      const shape = readSetShape(table, attributes)
      if (shape !== undefined) shapes.set(`${table}/${name}`, shape)
    }
    if (type !== tablesType.newElement) continue
    const key = `${table}/${attributes.text(elementListAttribute.set)}`
    const shape = shapes.get(key)
    if (shape === undefined) continue
    const raw = attributes.list(elementListAttribute.elements, LIST_ITEM).map(readRawElement)
    const read = joinElements(shape, raw).map(({ element }) => element)
    elements.set(key, [...(elements.get(key) ?? []), ...read])
  }
  t.true(shapes.size > 20)
  for (const [key, set] of objects.sets) {
    const { elements: wanted, ...shape } = set
    t.deepEqual(shapes.get(key), shape, key)
    t.deepEqual(new Map(sorted(elementsByKey(elements.get(key) ?? []))), new Map(sorted(wanted)))
  }
})

function sorted(
  elements: ReadonlyMap<string, SetElement>,
): readonly (readonly [string, SetElement])[] {
  return [...elements].toSorted(([a], [b]) => (a < b ? -1 : 1))
}

const number = (max: number): fc.Arbitrary<Value> => fc.integer({ min: 0, max })
const address = (bits: bigint): fc.Arbitrary<Value> =>
  fc.bigInt({ min: 0n, max: (1n << bits) - 1n })

/** Fields with what must be said before them. */
const fields: readonly (readonly [Field, readonly Statement[], fc.Arbitrary<Value>])[] = [
  ['meta mark', [], number(0xffff_ffff)],
  ['meta iifname', [], fc.constantFrom('eth0', 'ptap-*', 'a')],
  ['ip saddr', [one('meta nfproto', 2)], address(32n)],
  ['ip daddr', [one('meta nfproto', 2)], address(32n)],
  ['ip6 saddr', [one('meta nfproto', 10)], address(128n)],
  ['arp saddr ip', [one('ether type', 0x806)], address(32n)],
  ['th dport', [one('meta l4proto', 6)], number(0xffff)],
  ['icmp type', [one('meta nfproto', 2), one('meta l4proto', 1)], number(0xff)],
  ['icmpv6 code', [one('meta nfproto', 10), one('meta l4proto', 58)], number(0xff)],
]

function one(field: Field, value: Value): Statement {
  return { kind: 'match', field, operator: '==', values: [{ first: value, last: value }] }
}

const anyMatch = fc.constantFrom(...fields).chain(([field, before, value]) =>
  fc
    .tuple(value, value, fc.constantFrom('==' as const, '!=' as const), fc.boolean())
    .map(([a, b, operator, ranged]): readonly Statement[] => {
      const [first, last] = a < b ? [a, b] : [b, a]
      const isRange = ranged && typeof first !== 'string' && field !== 'meta mark'
      const values = [{ first, last: isRange ? last : first }]
      return [...before, { kind: 'match', field, operator, values }]
    }),
)

test('any single match is read back as it was written', (t) => {
  fc.assert(
    fc.property(anyMatch, (statements) => {
      const rule: Rule = { id: 'x', statements: [...statements, { kind: 'counter' }] }
      t.deepEqual(readBack(addRules([rule])), [rule])
    }),
    { seed: 5, numRuns: 2_000 },
  )
})

test('fields that lie side by side are asked at once, and read back as two', (t) => {
  const rule: Rule = {
    id: 'dhcp',
    statements: [one('meta l4proto', 17), one('th sport', 68), one('th dport', 67)],
  }
  const [message] = messagesOf(addRules([rule])).filter(([type]) => type === tablesType.newRule)
  t.is(message?.[1].payload.toString().match(/,112,97,121,108,111,97,100,0,/g)?.length, 1)
  t.deepEqual(readBack(addRules([rule])), [rule])
})

test('names with letters of other alphabets are read back as they were written', (t) => {
  const rules: readonly Rule[] = ['größe', 'ok', '群/0'].map((id) => ({
    id,
    statements: [{ kind: 'log', group: 1, prefix: id }, { kind: 'counter' }],
  }))
  t.deepEqual(readBack(addRules(rules)), rules)
})

test('a list of elements too long for one attribute goes in several messages', (t) => {
  const set: SetShape = {
    table: 'inet',
    name: 's',
    key: ['ipv4_addr'],
    interval: false,
    counter: false,
  }
  const elements = Array.from({ length: 10_000 }, (_, index) => {
    return { key: [{ first: BigInt(index), last: BigInt(index) }] }
  })
  const messages = messagesOf([{ change: 'add-elements', set, elements }])
  const lists = messages.filter(([type]) => type === tablesType.newElement)
  t.true(lists.length > 1)
  t.true(lists.every(([, { payload }]) => payload.length < 65_536))
  const raw = lists.flatMap(([, { attributes }]) =>
    attributes.list(elementListAttribute.elements, LIST_ITEM).map(readRawElement),
  )
  t.deepEqual(
    joinElements(set, raw).map(({ element }) => element),
    elements,
  )
})

test('ranges that touch, that begin at zero and that end at the last address keep their ends', (t) => {
  const set: SetShape = {
    table: 'inet',
    name: 's',
    key: ['ipv4_addr'],
    value: 'mark',
    interval: true,
    counter: false,
  }
  const range = (first: bigint, last: bigint, value: number): SetElement => {
    return { key: [{ first, last }], value }
  }
  const elements = [
    range(0n, 9n, 1),
    range(10n, 10n, 2),
    range(11n, 20n, 3),
    range(0xffff_fff0n, 0xffff_ffffn, 4),
  ]
  const [list] = messagesOf([{ change: 'add-elements', set, elements }]).filter(
    ([type]) => type === tablesType.newElement,
  )
  const raw = list?.[1].attributes.list(elementListAttribute.elements, LIST_ITEM) ?? []
  const read = joinElements(set, raw.map(readRawElement))
  t.deepEqual(
    read.map(({ element }) => element),
    elements,
  )
})
