import test from 'ava'
import { readEcOptions } from './options.ts'

test('without words every case, size and peer of the benchmark is asked for', (t) => {
  const { shapes, peers, worker, output } = readEcOptions([])
  t.is(shapes.length, 18)
  t.deepEqual(shapes[0], { k: 2, m: 1, sizeBytes: 4096 })
  t.deepEqual(shapes.at(-1), { k: 10, m: 4, sizeBytes: 1_048_576 })
  t.is(peers.length, 6)
  t.deepEqual({ worker, output }, { worker: false, output: 'table' })
})

test('other codes and odd sizes can be named, each code in each size', (t) => {
  const { shapes } = readEcOptions(['--cases', '5+2,12+4', '--sizes', '1000,65535'])
  t.deepEqual(shapes, [
    { k: 5, m: 2, sizeBytes: 1000 },
    { k: 5, m: 2, sizeBytes: 65_535 },
    { k: 12, m: 4, sizeBytes: 1000 },
    { k: 12, m: 4, sizeBytes: 65_535 },
  ])
})

test('--quick takes fewer and shorter slices, and what is named by itself still counts', (t) => {
  const { rounds, sliceMs } = readEcOptions(['--quick', '--slice-ms', '9'])
  t.deepEqual({ rounds, sliceMs }, { rounds: 3, sliceMs: 9 })
})

const refused = test.macro((t, words: readonly string[], said: RegExp) => {
  const error = t.throws(() => readEcOptions(words), { code: 'PUR_INVALID' })
  t.regex(error?.message ?? '', said)
  t.regex(error?.message ?? '', /usage: /)
})
test('a code of more than 256 shards is refused', refused, ['--cases', '250+7'], /at most 256/)
test('a word that is no code is refused', refused, ['--cases', '4-2'], /K\+M is wanted/)
test('a size of nothing is refused', refused, ['--sizes', '0'], /whole number from 1/)
test('an unknown peer is refused by the list', refused, ['--peers', 'x'], /isal, debian-isal/)
test('an unknown output is refused', refused, ['-o', 'xml'], /table or json/)
