import test from 'ava'
import { compile } from './compile/compile.ts'
import { compileRuleset } from './compile-ruleset.ts'
import { sampleDesired, sampleNic } from './testing/sample.ts'

test('the whole rule set of a small host', (t) => {
  t.snapshot(compileRuleset(sampleDesired))
})

test('NICs with equal lists share them', (t) => {
  const nics = ['1', '2', '3'].map((letter) => sampleNic(letter, ['web']))
  const { lists, nics: compiled } = compile({ ...sampleDesired, nics })
  t.is(lists.size, 2)
  t.is(new Set(compiled.map((nic) => nic.lists?.inbound)).size, 1)
})

test('only groups that a list names have a set', (t) => {
  const { sets } = compile({ ...sampleDesired, nics: [sampleNic('a', ['ops'])] })
  t.deepEqual([...sets.keys()], [])
  const used = compile({ ...sampleDesired, nics: [sampleNic('d', ['web'])] })
  t.deepEqual([...used.sets.keys()].toSorted(), ['group-web-ipv4', 'group-web-ipv6'])
})

test('a word in place of an address never reaches the text', (t) => {
  const nic = { ...sampleNic('a', []), ipv4: ['db.example'] }
  const error = t.throws(() => compileRuleset({ ...sampleDesired, nics: [nic] }))
  t.like(error, {
    code: 'PUR_INVALID',
    problems: [{ path: 'nics[0].ipv4[0]', message: '"db.example" is no ipv4 address' }],
  })
})

test('two NICs with one zone are refused', (t) => {
  const nics = [sampleNic('a', []), { ...sampleNic('b', []), zone: 10 }]
  t.throws(() => compileRuleset({ ...sampleDesired, nics }), { message: /zone 10 is taken by a/ })
})
