import test from 'ava'
import fc from 'fast-check'
import { expositionLimits, labelsOf, metricOf, parseExposition } from './parse.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const parse = (text: string) => parseExposition(bytes(text))

test('samples are read with labels in the order of their names, comments and times passed over', (t) => {
  const parsed = parse(
    '# HELP node_load1 x\n# TYPE node_load1 gauge\nnode_load1 0.25\n\n' +
      'node_cpu_seconds_total{mode="idle",cpu="0"} 1e3 1700000000000\n',
  )
  t.deepEqual(parsed, {
    ok: true,
    value: [
      { key: 'node_cpu_seconds_total{cpu="0",mode="idle"}', value: 1000 },
      { key: 'node_load1{}', value: 0.25 },
    ],
  })
})

test('values that are no finite number are read', (t) => {
  const parsed = parse('node_a NaN\nnode_b +Inf\nnode_c -Inf\n')
  t.true(parsed.ok)
  if (!parsed.ok) return
  const values = parsed.value.map(({ value }) => value)
  t.deepEqual(values, [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
})

test('an instance cannot name itself another, nor a series of ours', (t) => {
  const parsed = parse('node_a{instance="other",chassis="x"} 1\nup 1\npurlin_chassis_count 7\n')
  t.deepEqual(parsed, {
    ok: true,
    value: [{ key: 'node_a{exported_chassis="x",exported_instance="other"}', value: 1 }],
  })
})

test('what is no sample is refused with its line', (t) => {
  const cases: readonly [string, string][] = [
    ['5 1', 'it begins with no name'],
    ['node_a', 'it has no value'],
    ['node_a x', 'it has no value'],
    ['node_a 0x10', 'it has no value'],
    ['node_a 1 2 3', 'it has no value'],
    ['node_a{ 1', 'a label is not NAME="VALUE"'],
    ['node_a{b=1} 1', 'a label is not NAME="VALUE"'],
    ['node_a{b="1"c="2"} 1', 'a label is not followed by a comma or a brace'],
    ['node_a{b="\\x"} 1', 'a label is not NAME="VALUE"'],
    ['node_a{b="1",b="2"} 1', 'a label stands there twice'],
    [`node_a{b="${'x'.repeat(1025)}"} 1`, 'a label is too long'],
    [`node_${'x'.repeat(200)} 1`, 'its name is too long'],
    ['node_a 1\nnode_a 2', 'its series stands there twice'],
  ]
  for (const [text, reason] of cases) {
    const parsed = parse(`# first\n${text}`)
    t.false(parsed.ok, text)
    if (!parsed.ok) t.like(parsed.error, { reason, line: text.includes('\n') ? 3 : 2 })
  }
})

test('more than the limits is refused', (t) => {
  const many = (count: number): string =>
    Array.from({ length: count }, (_, index) => `node_a{b="${index}"} 1\n`).join('')
  t.true(parse(many(expositionLimits.series)).ok)
  t.false(parse(many(expositionLimits.series + 1)).ok)
  t.false(parseExposition(new Uint8Array(expositionLimits.bytes + 1)).ok)
  const labels = Array.from({ length: 33 }, (_, index) => `l${index}="x"`)
  t.false(parse(`node_a{${labels.join(',')}} 1`).ok)
  t.false(parseExposition(Uint8Array.of(0x6e, 0xff, 0x20, 0x31)).ok)
})

const name = fc.stringMatching(/^node_[a-z0-9_]{0,9}$/)
const sample = fc.record({
  name,
  labels: fc.dictionary(
    fc.stringMatching(/^[a-z_][a-z0-9_]{0,5}$/),
    fc.string({ unit: 'binary' }),
    {
      maxKeys: 4,
    },
  ),
  value: fc.double(),
})

test('what is written is read back, whatever the labels hold', (t) => {
  const escaped = (value: string): string =>
    value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
  fc.assert(
    fc.property(sample, ({ name, labels, value }) => {
      const words = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`)
      const number = String(value).replace('Infinity', 'Inf')
      const parsed = parse(`${name}{${words.join(',')}} ${number}\n`)
      if (!parsed.ok) return false
      const [read] = parsed.value
      t.is(read?.value, value === 0 ? read?.value : value)
      t.is(metricOf(read?.key ?? ''), name)
      t.deepEqual({ ...labelsOf(read?.key ?? '') }, { ...labels })
      return true
    }),
  )
})

test('any bytes are read or refused, and what is read is sorted and bounded', (t) => {
  const line = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.stringMatching(/^node_[a-z]{0,3}(\{[a-z="\\,]{0,12}\})? [0-9.eE+NaInf-]{0,8}$/),
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.array(line).map((l) => bytes(l.join('\n'))),
      ),
      (text) => {
        const parsed = parseExposition(text)
        if (!parsed.ok) return parsed.error.reason !== ''
        const keys = parsed.value.map(({ key }) => key)
        t.deepEqual(keys, [...keys].sort())
        return keys.length <= expositionLimits.series
      },
    ),
  )
})
