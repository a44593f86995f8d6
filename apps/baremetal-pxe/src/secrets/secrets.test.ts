import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Manifest } from '@purlin/schema'
import { openSqliteStore } from '@purlin/store'
import test, { type ExecutionContext } from 'ava'
import { passwordOf, usersOf } from './file-contents.ts'
import { openKey } from './key-file.ts'
import { ManifestFiles } from './manifest-files.ts'
import { seal, unseal } from './sealed.ts'

const key = Buffer.alloc(32, 7)
const secret: Manifest = {
  kind: 'Secret',
  name: 'bmc-1',
  spec: { username: 'admin', passwordFile: './bmc-1.password' },
}

async function opened(t: ExecutionContext) {
  const store = await openSqliteStore({ file: ':memory:' })
  t.teardown(() => store.close())
  return { store, files: new ManifestFiles(store, key) }
}

async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-secrets-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

test('the key is made once, is its owner’s alone, and is refused when others may read it', async (t) => {
  const file = join(await folderOf(t), 'secrets.key')
  const made = await openKey(file)
  t.is(made.length, 32)
  t.is((await stat(file)).mode & 0o777, 0o600)
  t.deepEqual(await openKey(file), made)
  await chmod(file, 0o640)
  await t.throwsAsync(openKey(file), { code: 'PUR_SECRET_KEY', message: /mode 0640/ })
  await chmod(file, 0o600)
  await writeFile(file, 'short\n')
  await t.throwsAsync(openKey(file), { code: 'PUR_SECRET_KEY', message: /no key of 32 bytes/ })
})

test('a sealed text is opened by its key at its place, and nowhere else', (t) => {
  const sealed = seal(key, '/a', 'hunter2')
  t.is(unseal(key, '/a', sealed), 'hunter2')
  t.false(JSON.stringify(sealed).includes(Buffer.from('hunter2').toString('base64')))
  t.throws(() => unseal(key, '/b', sealed), { code: 'PUR_SECRET_KEY' })
  t.throws(() => unseal(Buffer.alloc(32, 8), '/a', sealed), { code: 'PUR_SECRET_KEY' })
  const cut = { ...sealed, text: Buffer.from('other').toString('base64') }
  t.throws(() => unseal(key, '/a', cut), { code: 'PUR_SECRET_KEY' })
  t.not(seal(key, '/a', 'hunter2').text, sealed.text, 'a nonce of its own')
})

test('a file is kept encrypted, known without being sent again, and gone with its resource', async (t) => {
  const { store, files } = await opened(t)
  const planned = await files.plan([secret], { './bmc-1.password': 'hunter2\n' })
  t.deepEqual(planned.problems, [])
  t.deepEqual(planned.changed, [{ kind: 'Secret', name: 'bmc-1' }])
  await store.transact({ writes: planned.writes })
  t.false(JSON.stringify((await store.list('/')).entries).includes('hunter2'))
  t.is((await files.read(secret)).get('./bmc-1.password'), 'hunter2\n')
  const again = await files.plan([secret], {})
  t.deepEqual([again.problems, again.writes, again.changed], [[], [], []])
  t.is(again.texts.get('Secret/bmc-1')?.get('./bmc-1.password'), 'hunter2\n')
  const same = await files.plan([secret], { './bmc-1.password': 'hunter2\n' })
  t.deepEqual([same.writes, same.changed], [[], []])
  const other = await files.plan([secret], { './bmc-1.password': 'other' })
  t.is(other.changed.length, 1)
  await store.transact({ writes: await files.forget(secret) })
  await t.throwsAsync(files.read(secret), { code: 'PUR_SECRET_MISSING' })
})

test('a file that a manifest names and that never came is told by its path', async (t) => {
  const { files } = await opened(t)
  const { problems } = await files.plan([secret], { './other.password': 'x' })
  t.is(problems.length, 1)
  t.like(problems[0], { document: 0, path: 'spec.passwordFile' })
  t.regex(problems[0]?.message ?? '', /\.\/bmc-1\.password did not come/)
})

test('a path that is no longer named takes its text along', async (t) => {
  const { store, files } = await opened(t)
  const first = await files.plan([secret], { './bmc-1.password': 'a' })
  await store.transact({ writes: first.writes })
  const moved: Manifest = { ...secret, spec: { passwordFile: './new' } }
  const second = await files.plan([moved], { './new': 'b' })
  await store.transact({ writes: second.writes })
  t.is((await store.list('/manifest-file/')).entries.length, 1)
  t.is((await files.read(moved)).get('./new'), 'b')
})

test('a file of a password loses its last line end alone, one of keys gives a key a line', (t) => {
  t.is(passwordOf(' a b \r\n'), ' a b ')
  t.is(passwordOf('a\n\n'), 'a\n')
  const spec = { users: [{ name: 'ops', sshKeys: ['k'], passwordHashFile: 'h', sudo: true }] }
  const texts = new Map([
    ['k', '# mine\nssh-ed25519 AAAA one\n\nssh-ed25519 BBBB two\n'],
    ['h', '$6$salt$hash\n'],
  ])
  t.deepEqual(usersOf(spec as never, texts), [
    {
      name: 'ops',
      passwordHash: '$6$salt$hash',
      sshKeys: ['ssh-ed25519 AAAA one', 'ssh-ed25519 BBBB two'],
      sudo: true,
    },
  ])
})
