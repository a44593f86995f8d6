import test from 'ava'
import { importRule } from './imports.ts'
import { tapCase } from './main.ts'
import { anyRule, exportRule, nameRule, packageRule, unfinishedRule } from './names.ts'
import { COLUMNS_MAX, LINES_MAX, lengthRule, widthRule } from './sizes.ts'
import type { Rule } from './source-file.ts'

/** What `rule` says to one file, as `LINE MESSAGE`. */
function says(rule: Rule, path: string, text: string): readonly string[] {
  return rule.find([{ path, text }]).map(({ line = 0, message }) => `${line} ${message}`)
}

const imports = test.macro({
  exec(t, path: string, line: string, message: string | undefined) {
    t.deepEqual(says(importRule, path, `${line}\n`), message === undefined ? [] : [`1 ${message}`])
  },
  title: (_, path, line) => `imports: ${path}: ${line}`,
})

test(imports, 'libs/schema/src/a.ts', "import { b } from '@purlin/base'", undefined)
test(
  imports,
  'libs/base/src/a.ts',
  "import { b } from '@purlin/schema'",
  'base may not import schema',
)
test(
  imports,
  'libs/netfilter/src/a.ts',
  "} from '@purlin/vswitch'",
  'netfilter may not import vswitch',
)
test(
  imports,
  'libs/sdk/src/a.ts',
  "import type { b } from '@purlin/reconcile'",
  'sdk may not import reconcile',
)
test(
  imports,
  'libs/ec-native/src/a.ts',
  "export * from '@purlin/schema'",
  'ec-native may not import schema',
)
test(imports, 'libs/virt/src/a.ts', "import '@purlin/host-agent'", 'virt may not import host-agent')
test(imports, 'apps/host-agent/src/a.ts', "import { b } from '@purlin/virt'", undefined)
test(
  imports,
  'apps/cli/src/a.ts',
  "import { b } from '@purlin/netfilter'",
  'cli may not import netfilter',
)
test(imports, 'apps/cli/src/a.ts', "const b = await import('@purlin/netfilter')", undefined)
test(
  imports,
  'apps/cli/src/a.ts',
  "const b = await import('@purlin/virt')",
  'cli may not import virt',
)
test(
  imports,
  'apps/host-agent/src/a.ts',
  "import { b } from '@purlin/sdk'",
  'host-agent may not import sdk',
)
test(imports, 'apps/host-agent/tests/a.ts', "import { b } from '@purlin/sdk'", undefined)
test(imports, 'tools/up.ts', "import { b } from '@purlin/netfilter'", undefined)
test(
  imports,
  'libs/sdk/src/a.ts',
  "import { b } from '@purlin/base/src/b.ts'",
  '@purlin/base/src/b.ts: packages are imported whole, by their name',
)
test(imports, 'libs/sdk/src/a/b.ts', "import { c } from '../c.ts'", undefined)
test(
  imports,
  'libs/sdk/src/a.ts',
  "import { c } from '../../base/src/c.ts'",
  '../../base/src/c.ts leaves the package; import the other package by its name',
)

test('a file is too long from one line above the limit, unless it is long by nature', (t) => {
  const long = 'x\n'.repeat(LINES_MAX + 1)
  t.is(says(lengthRule, 'libs/a/src/a.ts', long).length, 1)
  t.is(says(lengthRule, 'libs/a/src/a.ts', 'x\n'.repeat(LINES_MAX)).length, 0)
  for (const path of ['package-lock.json', 'Cargo.lock', 'a/a.snap', 'a/fixtures/b.txt']) {
    t.deepEqual(says(lengthRule, path, long), [])
  }
})

test('a line is too wide from one column above the limit, unless nothing could break it', (t) => {
  const wide = `const a = ${'b + '.repeat(30)}c`
  t.deepEqual(says(widthRule, 'a.ts', `short\n${wide}\n`), [`2 ${wide.length} columns`])
  t.deepEqual(says(widthRule, 'a.sh', `${'é '.repeat(COLUMNS_MAX / 2)}\n`), [])
  t.deepEqual(says(widthRule, 'a.ts', `  '${'word '.repeat(30)}',\n`), [])
  t.deepEqual(says(widthRule, 'a.md', `${wide}\n`), [])
})

test('an empty name is found in files, in folders, and as a part of either', (t) => {
  for (const path of ['a/utils.ts', 'a/helpers/b.ts', 'a/user-data.ts', 'a/info.rs']) {
    t.is(says(nameRule, path, '').length, 1, path)
  }
  t.deepEqual(says(nameRule, 'a/database.ts', ''), [])
})

test('words of unfinished work are found with their line', (t) => {
  const word = 'TO' + 'DO'
  t.deepEqual(says(unfinishedRule, 'a.rs', `fine\n// ${word}: later\n`), [`2 ${word}`])
  t.deepEqual(says(unfinishedRule, 'a.rs', 'mastodon\n'), [])
})

test('any is found as a type and not as a word', (t) => {
  for (const line of [
    'let a: any = 1',
    'b as any',
    'c: any[]',
    'd: Map<any, b>',
    'e: (f: any) => b',
  ]) {
    t.deepEqual(says(anyRule, 'a.ts', line), ['1 any'], line)
  }
  for (const line of [
    '// at any: time',
    ' * as any one',
    "t('as any;')",
    'anything: b',
    'x: many',
  ]) {
    t.deepEqual(says(anyRule, 'a.ts', line), [], line)
  }
})

test('a default export is found, but not in a program’s configuration', (t) => {
  t.deepEqual(says(exportRule, 'a.ts', 'export default a'), ['1 export default a'])
  t.deepEqual(says(exportRule, 'ava.config.js', 'export default {}'), [])
})

test('a package with another name, licence or module type is found', (t) => {
  const good = { name: '@purlin/sdk', license: 'Apache-2.0', type: 'module' }
  t.deepEqual(says(packageRule, 'libs/sdk/package.json', JSON.stringify(good)), [])
  t.deepEqual(says(packageRule, 'libs/sdk/package.json', '{}'), [
    '0 name must be @purlin/sdk',
    '0 license must be Apache-2.0',
    '0 type must be module',
  ])
})

test('a case of TAP names its findings', (t) => {
  t.is(tapCase(1, 'rule', []), 'ok 1 - rule\n')
  t.is(
    tapCase(2, 'rule', [
      { path: 'a.ts', line: 3, message: 'b' },
      { path: 'c', message: 'd' },
    ]),
    'not ok 2 - rule\n  ---\n    a.ts:3: b\n    c: d\n  ...\n',
  )
})
