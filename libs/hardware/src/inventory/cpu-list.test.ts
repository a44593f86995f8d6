import test from 'ava'
import { numbersOf } from './cpu-list.ts'

test('a list of the kernel gives its numbers, and what is none gives none', (t) => {
  t.deepEqual(numbersOf('0-3,8,10-11'), [0, 1, 2, 3, 8, 10, 11])
  t.deepEqual(numbersOf('5'), [5])
  t.deepEqual(numbersOf(''), [])
  t.deepEqual(numbersOf(undefined), [])
  t.deepEqual(numbersOf('3-1,x'), [])
})
