import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError } from '@purlin/base'
import test from 'ava'
import { hastyClient, taskOf } from '../tests/samples.ts'
import { answer, serve } from '../tests/serve.ts'

test('a backup is whole and for its owner alone, though the first answer is cut', async (t) => {
  await using server = await serve((_request, response, earlier) => {
    response.writeHead(200, { 'content-length': '6' })
    if (earlier.length === 0) response.write('abc', () => response.destroy())
    else response.end('abcdef')
  })
  await using client = hastyClient(server)
  const file = join(server.folder, 'state.backup')
  await client.backupState(file)
  t.is(await readFile(file, 'utf8'), 'abcdef')
  t.is((await stat(file)).mode & 0o777, 0o600)
})

test('a backup that fails leaves no file and an older one untouched', async (t) => {
  await using server = await serve((_request, response) => {
    response.writeHead(200, { 'content-length': '6' })
    response.write('abc', () => response.destroy())
  })
  await using client = hastyClient(server, 2)
  const file = join(server.folder, 'state.backup')
  await writeFile(file, 'older')
  const error = await t.throwsAsync(client.backupState(file), { instanceOf: PurlinError })
  t.is(error?.code, 'PUR_AGENT_UNREACHABLE')
  t.is(await readFile(file, 'utf8'), 'older')
  await t.throwsAsync(stat(`${file}.partial`))
})

test('a backup into a folder that is not there says so', async (t) => {
  await using server = await serve((_request, response) => void response.end('abc'))
  await using client = hastyClient(server)
  const error = await t.throwsAsync(client.backupState(join(server.folder, 'none', 'file')), {
    instanceOf: PurlinError,
  })
  t.is(error?.code, 'PUR_INVALID')
  t.regex(error?.message ?? '', /none\/file: ENOENT/)
})

test('a restore sends the file, whole on each attempt', async (t) => {
  await using server = await serve((_request, response, earlier) =>
    earlier.length === 0
      ? void response.destroy()
      : answer(response, 202, taskOf({ verb: 'restore' })),
  )
  await using client = hastyClient(server)
  const file = join(server.folder, 'state.backup')
  await writeFile(file, 'abcdef')
  t.is((await client.restoreState(file)).task.verb, 'restore')
  t.deepEqual(
    server.seen.map(({ body }) => body),
    ['abcdef', 'abcdef'],
  )
  t.is(server.seen[1]?.headers['content-type'], 'application/octet-stream')
})
