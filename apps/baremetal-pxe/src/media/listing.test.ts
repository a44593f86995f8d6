import { PurlinError } from '@purlin/base'
import test from 'ava'
import fc from 'fast-check'
import { readListing, refuseOutside } from './listing.ts'

const file = (name: string, size: number): string => `./${name} type=file size=${size}`

test('a listing is counted: files, folders, links, and their bytes', (t) => {
  const listing = [
    '#mtree',
    '. type=dir',
    file('a\\040b', 3),
    './l type=link link=a\\040b',
    file('c', 4),
  ]
  t.deepEqual(readListing('m', listing.join('\n')), { files: 4, sizeBytes: 7 })
})

test('a medium that says to be larger than any is refused before a byte is written', (t) => {
  const hostiles = [
    [file('big', 100 * 1024 ** 3)],
    Array.from({ length: 9 }, (_, index) => file(`part-${index}`, 8 * 1024 ** 3)),
    Array.from({ length: 300_001 }, (_, index) => file(`f${index}`, 0)),
    [file('nothing', Number.NaN)],
    ['./fifo type=fifo'],
    ['./what'],
    [],
  ]
  for (const lines of hostiles) {
    const error = t.throws(() => readListing('m', lines.join('\n')), { instanceOf: PurlinError })
    t.is(error?.code, 'PUR_MEDIA_HOSTILE')
  }
})

test('a link is taken when its target is below the tree, wherever it stands', (t) => {
  for (const [path, target] of [
    ['debian', '.'],
    ['a/b/c', '../../d'],
    ['a/b', 'c/../../d'],
  ] as const) {
    t.notThrows(() => refuseOutside('m', path, target))
  }
  for (const [path, target] of [
    ['a', '/etc/passwd'],
    ['a', '..'],
    ['a/b', '../../etc'],
    ['a/b', 'c/../../../etc'],
  ] as const) {
    t.throws(() => refuseOutside('m', path, target), { instanceOf: PurlinError }, target)
  }
})

test('whatever a listing says, it is counted or refused', (t) => {
  const word = fc.constantFrom(
    '.',
    './a',
    'type=dir',
    'type=file',
    'size=1',
    'type=link',
    'link=..',
  )
  const lines = fc.array(
    fc.oneof(
      fc.string(),
      fc.array(word).map((words) => words.join(' ')),
    ),
  )
  fc.assert(
    fc.property(lines, (all) => {
      try {
        return readListing('m', all.join('\n')).files > 0
      } catch (thrown) {
        return thrown instanceof PurlinError && thrown.code === 'PUR_MEDIA_HOSTILE'
      }
    }),
  )
  t.pass()
})
