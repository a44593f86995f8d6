import test from 'ava'
import { fieldDifferences } from './field-difference.ts'

test('the deepest differing fields are named with both sides', (t) => {
  const before = { spec: { cpus: 1, nics: [{ name: 'a' }, { name: 'b' }], gone: true } }
  const after = { spec: { cpus: 2, nics: [{ name: 'a' }, { name: 'c' }] } }
  t.deepEqual(fieldDifferences(before, after), [
    { path: 'spec.cpus', before: 1, after: 2 },
    { path: 'spec.nics[1].name', before: 'b', after: 'c' },
    { path: 'spec.gone', before: true, after: null },
  ])
})

test('lists of other lengths differ as a whole; equal values do not differ', (t) => {
  t.deepEqual(fieldDifferences({ list: [1] }, { list: [1, 2] }), [
    { path: 'list', before: [1], after: [1, 2] },
  ])
  t.deepEqual(fieldDifferences({ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }), [])
})
