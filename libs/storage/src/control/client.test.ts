import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { createControlClient } from './client.ts'

const OPTIONS = { deadlineMs: 5_000 }

/** A socket that answers each line with what `answer` makes of it; undefined: with silence. */
async function daemon(t: ExecutionContext, answer: (line: string) => string | undefined) {
  const folder = await mkdtemp(join(tmpdir(), 'control-'))
  const path = join(folder, 'blockd.control.sock')
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (part) => {
      const text = answer(part.toString())
      if (text !== undefined) socket.write(text)
    })
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  t.teardown(async () => {
    server.close()
    await rm(folder, { recursive: true, force: true })
  })
  return createControlClient(path)
}

const answers = (words: object) => (line: string) =>
  `${JSON.stringify({ version: 1, id: JSON.parse(line).id, ...words })}\n`

test('a call is one line with version, number, name and arguments; its result comes back', async (t) => {
  const lines: string[] = []
  const client = await daemon(t, (line) => {
    lines.push(line)
    return answers({ result: { volume: 3 } })(line)
  })
  const words = { pool: 'fast', name: 'a', sizeBytes: 8192, limits: { iops: 5 } }
  t.deepEqual(await client.call('volume-create', words, OPTIONS), { volume: 3 })
  t.deepEqual(JSON.parse(lines[0] ?? ''), {
    ...{ version: 1, id: 1, call: 'volume-create', arguments: words },
  })
})

test('errors of the daemon keep their codes; a code that is not known is a refusal', async (t) => {
  const known = { code: 'PUR_BLOCK_HAS_DEPENDENTS', message: 'these depend on it: c' }
  const client = await daemon(t, answers({ error: known }))
  const call = client.call('snapshot-delete', { name: 's' }, OPTIONS)
  const { code, message } = known
  await t.throwsAsync(call, { code, message: `snapshot-delete: ${message}` })
  const newer = await daemon(t, answers({ error: { code: 'PUR_BLOCK_NEW', message: 'no' } }))
  await t.throwsAsync(newer.call('volume-delete', { name: 'v' }, OPTIONS), {
    code: 'PUR_BLOCK_REFUSED',
  })
})

test('another version, no JSON, another call’s answer and a strange status are told apart', async (t) => {
  const cases = [
    ['PUR_BLOCK_CONTROL_VERSION', () => '{"version":2,"id":1,"result":{}}\n'],
    ['PUR_BLOCK_ANSWER', () => 'hello\n'],
    ['PUR_BLOCK_ANSWER', () => '{"version":1,"id":9,"result":{}}\n'],
    ['PUR_BLOCK_ANSWER', answers({ result: { pools: 7 } })],
  ] as const
  for (const [code, answer] of cases) {
    const client = await daemon(t, answer)
    await t.throwsAsync(client.status(OPTIONS), { code })
  }
})

test('a daemon that is not there, hangs up or is silent is an error within the deadline', async (t) => {
  const nobody = createControlClient('/nonexistent/blockd.control.sock')
  await t.throwsAsync(nobody.status(OPTIONS), { code: 'PUR_BLOCK_UNREACHABLE' })
  const silent = await daemon(t, () => undefined)
  await t.throwsAsync(silent.status({ deadlineMs: 50 }), { code: 'PUR_DEADLINE_PASSED' })
})
