import test from 'ava'
import { joinResults, readCargo, readTap } from './results.ts'

test('TAP: cases are counted, those skipped or unwritten are not, a failure keeps its detail', (t) => {
  const text = [
    '> nx run x:test --tap',
    'TAP version 13',
    'ok 1 - one and one is two',
    '\x1b[31mnot ok 2 - two is three\x1b[39m',
    '#   a line that it logged',
    '  ---',
    '    name: AssertionError',
    '    at: file.ts:3',
    '  ...',
    'ok 3 - later # SKIP',
    `not ok 4 - some day # ${'TO'}${'DO'}`,
    'ok 5 - other',
    '1..5',
  ].join('\n')
  t.deepEqual(readTap(text), {
    passed: 2,
    failures: [{ title: 'two is three', detail: '    name: AssertionError\n    at: file.ts:3' }],
  })
})

test('cargo: cases of every crate are counted, a failure keeps what it printed', (t) => {
  const text = [
    'running 2 tests',
    'test codec::tests::whole ... ok',
    'test codec::tests::broken ... FAILED',
    'test slow ... ignored',
    '',
    'failures:',
    '',
    '---- codec::tests::broken stdout ----',
    'thread panicked at src/lib.rs:3',
    '',
    'failures:',
    '    codec::tests::broken',
    'running 1 test',
    'test other ... ok',
  ].join('\n')
  t.deepEqual(readCargo(text), {
    passed: 2,
    failures: [{ title: 'codec::tests::broken', detail: 'thread panicked at src/lib.rs:3' }],
  })
})

test('results of several programs add up', (t) => {
  const failure = { title: 'x', detail: '' }
  t.deepEqual(
    joinResults([
      { passed: 1, failures: [failure] },
      { passed: 2, failures: [] },
    ]),
    { passed: 3, failures: [failure] },
  )
})
