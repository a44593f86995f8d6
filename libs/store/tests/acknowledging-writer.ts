/** Writes revision after revision into the state file named as its argument and prints each one
 *  once it is acknowledged, until it is killed. */
import { writeSync } from 'node:fs'
import { openSqliteStore } from '../src/sqlite/open.ts'

const store = await openSqliteStore({ file: process.argv[2] ?? '' })
for (let number = 1; ; number++) {
  const writes = [
    { put: '/first', value: number },
    { put: '/second', value: number },
    { put: `/each/${number}`, value: 'x'.repeat(number % 3_000) },
  ]
  const { revision } = await store.transact({ writes })
  writeSync(1, `${number} ${revision}\n`)
}
