import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { exchangeLine } from './line-exchange.ts'

const errors = {
  unreachable: (found: string) => new Error(`unreachable: ${found}`),
  badAnswer: (found: string) => new Error(`bad answer: ${found}`),
}
const never = new AbortController().signal

/** A program at a socket that does this with each connection. */
async function program(t: ExecutionContext, serve: (socket: Socket) => void): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'line-'))
  const server = createServer((socket) => {
    socket.on('error', () => {})
    serve(socket)
  })
  const path = join(folder, 'socket')
  await new Promise<void>((resolve) => server.listen(path, resolve))
  t.teardown(async () => {
    server.close()
    await rm(folder, { recursive: true })
  })
  return path
}

test('a line is answered by a line, whatever pieces it comes in', async (t) => {
  const path = await program(t, (socket) => {
    socket.once('data', (asked) => {
      socket.write('to ')
      setImmediate(() => socket.write(asked))
    })
  })
  t.is(await exchangeLine(path, 'everybody', errors, never), 'to everybody\n')
})

test('who is not there, and who hangs up, is unreachable', async (t) => {
  const path = await program(t, (socket) => socket.destroy())
  await t.throwsAsync(exchangeLine(`${path}-none`, 'x', errors, never), {
    message: /^unreachable: .*ENOENT/,
  })
  await t.throwsAsync(exchangeLine(path, 'x', errors, never), { message: /^unreachable: / })
})

test('an abort ends the wait for an answer', async (t) => {
  const given = new AbortController()
  const path = await program(t, () => given.abort())
  await t.throwsAsync(exchangeLine(path, 'x', errors, given.signal), { message: /^unreachable: / })
})

test('an answer without an end is not gathered for ever', async (t) => {
  const path = await program(t, (socket) => {
    const part = Buffer.alloc(1024 * 1024, 0x20)
    const more = (): void => void (socket.destroyed || socket.write(part, more))
    more()
  })
  await t.throwsAsync(exchangeLine(path, 'x', errors, never), { message: /^bad answer: .*longer/ })
})
