import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { inputKey } from './input-key.ts'

test('the key follows contents, names and facts of what is named, and nothing else', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-key-'))
  t.teardown(() => rm(folder, { recursive: true }))
  await mkdir(join(folder, 'crates/core'), { recursive: true })
  await writeFile(join(folder, 'crates/core/lib.rs'), 'one')
  await writeFile(join(folder, 'Cargo.lock'), 'lock')
  const key = (fact = 'rustc 1') => inputKey(folder, ['crates', 'Cargo.lock', 'absent'], [fact])

  const first = await key()
  t.regex(first, /^[0-9a-f]{64}$/)
  await writeFile(join(folder, 'README.md'), 'not named')
  t.is(await key(), first)

  const seen = new Set([first, await key('rustc 2')])
  await writeFile(join(folder, 'crates/core/lib.rs'), 'two')
  seen.add(await key())
  await rename(join(folder, 'crates/core/lib.rs'), join(folder, 'crates/core/main.rs'))
  seen.add(await key())
  await writeFile(join(folder, 'Cargo.lock'), 'other')
  seen.add(await key())
  t.is(seen.size, 5)
})
