import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { openSqliteStore } from './open.ts'

const WRITER = join(import.meta.dirname, '../../tests/acknowledging-writer.ts')

/** Runs the writer until it has acknowledged `count` revisions, kills it with -9, and returns every
 *  line it got out. */
async function writeAndKill(file: string, count: number): Promise<readonly string[]> {
  const writer: ChildProcess = spawn(
    process.execPath,
    ['--conditions=purlin-source', '--disable-warning=ExperimentalWarning', WRITER, file],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let output = ''
  writer.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text
    if (output.split('\n').length > count) writer.kill('SIGKILL')
  })
  const [, signal] = await once(writer, 'close')
  if (signal !== 'SIGKILL') throw new Error(`the writer ended by itself: ${signal}`)
  return output.split('\n').filter((line) => line !== '')
}

test('kill -9: a reopened store has all that was acknowledged, and nothing half', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-kill-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  for (const count of [1, 7, 60, 200]) {
    const file = join(folder, `${count}.db`)
    const lines = await writeAndKill(file, count)
    const [number = 0, revision = 0] = lines.at(-1)?.split(' ').map(Number) ?? []
    t.true(lines.length >= count)
    const store = await openSqliteStore({ file })
    const found = Number((await store.get('/first'))?.value)
    t.true(found === number || found === number + 1, `acknowledged ${number}, found ${found}`)
    t.is((await store.get('/second'))?.value, found)
    const { entries, revision: reached } = await store.list('/each/')
    t.is(entries.length, found)
    t.is(reached, revision + (found - number))
    await store.transact({ writes: [{ put: '/after', value: 1 }] })
    await store.close()
  }
})
