import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { repository } from '../repository.ts'

const TEST_FILE = /(\S+(?:\.test\.ts|\/tests\/\w+\.rs))/

/** The promises of a specification: each title in backticks with the test file that follows it. */
export function citedTests(specification: string): { title: string; file: string }[] {
  return specification
    .split('\n')
    .filter((line) => line.startsWith('| ') && TEST_FILE.test(line))
    .flatMap((line) =>
      line.split(';').flatMap((part) => {
        const file = TEST_FILE.exec(part)?.[1] ?? ''
        return [...part.matchAll(/`([^`]+)`/g)].map((match) => ({ title: match[1] ?? '', file }))
      }),
    )
}

test('every promise of SPECIFICATION.md names a test that is there', async (t) => {
  const cited = citedTests(await readFile(join(repository, 'SPECIFICATION.md'), 'utf8'))
  t.true(cited.length > 30)
  for (const { title, file } of cited) {
    const source = await readFile(join(repository, file), 'utf8')
    t.true(source.includes(title), `${file} has no test "${title}"`)
  }
})

test('a promise without its test is found', (t) => {
  const row =
    '| it holds | `a fact`, `another` libs/x/src/x.test.ts; `a third` libs/y.test.ts *root* |'
  t.deepEqual(citedTests(row), [
    { title: 'a fact', file: 'libs/x/src/x.test.ts' },
    { title: 'another', file: 'libs/x/src/x.test.ts' },
    { title: 'a third', file: 'libs/y.test.ts' },
  ])
})
