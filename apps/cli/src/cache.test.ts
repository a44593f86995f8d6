import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { run } from '../tests/run.ts'

async function traceFile(t: ExecutionContext, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-cache-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const path = join(folder, 'trace.lis')
  await writeFile(path, text)
  return path
}

const LOOP = Array.from({ length: 300 }, (_, i) => `${i % 30} 1 0 ${i}\n`).join('')

test('cache sim prints rows of policy, percent, misses, flash writes and memory', async (t) => {
  const path = await traceFile(t, LOOP)
  const words = ['cache', 'sim', '--trace', path, '--format', 'lis', '--size-percent', '10,50']
  const { stdout, exitCode } = await run([...words, '-o', 'json'])
  t.is(exitCode, 0)
  const rows = JSON.parse(stdout) as readonly Record<string, unknown>[]
  t.is(rows.length, 18)
  for (const row of rows) {
    t.deepEqual(Object.keys(row), [
      'policy',
      'percent',
      'missRatio',
      'flashWritesPerRequest',
      'metadataBytes',
    ])
  }
  t.is(rows.find(({ policy }) => policy === 'lru')?.missRatio, 1)
})

test('cache sim shows people a table for each size, with a bar for the misses', async (t) => {
  const path = await traceFile(t, LOOP)
  const words = ['cache', 'sim', '--trace', path, '--format', 'lis', '--size-percent', '10']
  const { stdout } = await run(words)
  t.regex(stdout, /trace\.lis: 300 requests for 30 pages\n\ncache of 10 % of the pages\nPOLICY/)
  t.regex(stdout, /\nlru +1\.0000 +1\.0000 +75 bytes +█{40}\n/)
  t.true(stdout.trimEnd().split('\n').at(-1)?.startsWith('belady'))
})

test('cache sim says what is wrong with a trace and with a size', async (t) => {
  const path = await traceFile(t, '1 1 0 0\nseven 1 0 0\n')
  const bad = await run(['cache', 'sim', '--trace', path, '--format', 'lis'])
  t.not(bad.exitCode, 0)
  t.regex(bad.stderr, /trace\.lis, line 2: the first page is "seven" .*\(PUR_CACHE_TRACE\)\n$/)
  const size = ['cache', 'sim', '--trace', path, '--format', 'lis', '--size-percent', '0,5']
  t.regex((await run(size)).stderr, /must be percents above 0 and at most 100/)
})
