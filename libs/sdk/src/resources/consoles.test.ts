import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PurlinError } from '@purlin/base'
import { consoleCloseCodes } from '@purlin/schema'
import test, { type ExecutionContext } from 'ava'
import { type WebSocket, WebSocketServer } from 'ws'
import { type Client, createClient } from '../index.ts'

interface Side {
  readonly client: Client
  /** The requests so far: method, path and query, body. */
  readonly seen: string[]
}

/** A side that gives out the token `t1` and then does as it is told with the WebSocket. */
async function side(
  t: ExecutionContext,
  open: 'refuse' | ((socket: WebSocket) => void),
): Promise<Side> {
  const seen: string[] = []
  const acceptor = new WebSocketServer({ noServer: true })
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const part of request) body += part
    seen.push(`${request.method} ${request.url} ${body}`)
    const answer = { path: '/v1/console', token: 't1', expiresAtMs: 1 }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
  server.on('upgrade', (request: IncomingMessage, socket, head) => {
    seen.push(`${request.method} ${request.url}`)
    const refused = new PurlinError('PUR_CONSOLE_BUSY', { message: 'token ci is at it' })
    const text = JSON.stringify(refused.toProblem())
    const refusal = `HTTP/1.1 409 Conflict\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
    if (open === 'refuse') socket.end(refusal)
    else acceptor.handleUpgrade(request, socket, head, open)
  })
  const socketPath = join(tmpdir(), `purlin-sdk-${randomBytes(6).toString('hex')}.sock`)
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  const client = createClient({ socketPath }, { attempts: 1 })
  t.teardown(async () => {
    await client.close()
    server.closeAllConnections()
    server.close()
  })
  return { client, seen }
}

test('a console is a stream of bytes; what was asked for goes along, and the token once', async (t) => {
  const { client, seen } = await side(t, (socket) => {
    socket.on('message', (message: Buffer) => socket.send(message.toString().toUpperCase()))
  })
  const stream = await client.virtualMachines.console('web-1', { force: true, tailBytes: 10 })
  stream.write('hello')
  const [first] = await new Promise<[Buffer]>((resolve) =>
    stream.once('data', (chunk: Buffer) => resolve([chunk])),
  )
  t.is(first.toString(), 'HELLO')
  stream.end()
  t.is((await stream.ended).why, 'ended-here')
  t.deepEqual(seen, [
    'POST /v1/virtual-machines/web-1/console {"kind":"serial","force":true,"tailBytes":10}',
    'GET /v1/console?token=t1',
  ])
})

test('a screen is asked for by its kind', async (t) => {
  const { client, seen } = await side(t, (socket) => socket.send(Buffer.from('RFB 003.008\n')))
  const stream = await client.virtualMachines.screen('web-1')
  for await (const chunk of stream) {
    t.is(String(chunk), 'RFB 003.008\n')
    break
  }
  t.is((await stream.ended).why, 'ended-here')
  t.regex(seen[0] ?? '', / \{"kind":"vnc"\}$/)
})

for (const [why, code] of Object.entries(consoleCloseCodes)) {
  test(`a console that is closed with ${code} ended for ${why}, with the reason that came`, async (t) => {
    const { client } = await side(t, (socket) => {
      socket.send('last words')
      socket.close(code, 'a reason')
    })
    const stream = await client.virtualMachines.console('web-1')
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    t.is(Buffer.concat(chunks).toString(), 'last words')
    t.deepEqual(await stream.ended, { why: why as never, message: 'a reason' })
  })
}

test('a connection that is cut is told from an end', async (t) => {
  const { client } = await side(t, (socket) => socket.terminate())
  const stream = await client.virtualMachines.console('web-1')
  stream.resume()
  t.is((await stream.ended).why, 'connection-lost')
})

test('a refusal before the upgrade is the agent’s own error', async (t) => {
  const { client } = await side(t, 'refuse')
  const error = await t.throwsAsync(client.virtualMachines.console('web-1'), {
    instanceOf: PurlinError,
  })
  t.like(error, { code: 'PUR_CONSOLE_BUSY', message: 'token ci is at it' })
})
