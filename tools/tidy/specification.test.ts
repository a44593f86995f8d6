import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { repository } from '../repository.ts'

/** A title in backticks, or the test file that those before it are in. */
const TITLE_OR_FILE = /`([^`]+)`|(\S+(?:\.test\.ts|\/tests\/[\w-]+\.ts|\.rs))/g

/** The promises of a specification: each title in backticks with the test file that follows it. */
export function citedTests(specification: string): { title: string; file: string }[] {
  const cited: { title: string; file: string }[] = []
  for (const [, title, file] of specification.matchAll(TITLE_OR_FILE)) {
    if (title !== undefined) cited.push({ title, file: '' })
    if (file === undefined) continue
    for (const one of cited.filter((each) => each.file === '')) one.file = file
  }
  return cited
}

test('every promise of SPECIFICATION.md names a test that is there', async (t) => {
  const specification = await readFile(join(repository, 'SPECIFICATION.md'), 'utf8')
  const rows = specification.split('\n').filter((line) => line.startsWith('| '))
  const cited = rows.flatMap(citedTests)
  t.true(cited.length > 30)
  for (const { title, file } of cited) {
    const source = await readFile(join(repository, file), 'utf8')
    t.true(source.includes(title), `${file} has no test "${title}"`)
  }
})

test('a promise without its test is found', (t) => {
  const row =
    '| it holds | `a fact`, `another; and more` libs/x/src/x.test.ts; `a third` libs/y.test.ts *root* |'
  t.deepEqual(citedTests(row), [
    { title: 'a fact', file: 'libs/x/src/x.test.ts' },
    { title: 'another; and more', file: 'libs/x/src/x.test.ts' },
    { title: 'a third', file: 'libs/y.test.ts' },
  ])
})
