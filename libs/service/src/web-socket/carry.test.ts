import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, createServer as createLine, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createVirtualClock, PurlinError, type VirtualClock } from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import { WebSocket } from 'ws'
import { refuseUpgrade, webSocketServerOptions } from '../api/upgrade.ts'
import { type Carried, type CarryOptions, carryWebSocket } from './carry.ts'

interface Bench {
  readonly url: string
  /** The machine's end of each line, in order. */
  readonly lines: Socket[]
  readonly carried: Promise<Carried>
  readonly clock: VirtualClock
}

/** A server that carries each WebSocket to a line of its own. */
async function bench(t: ExecutionContext, options: Partial<CarryOptions> = {}): Promise<Bench> {
  const lines: Socket[] = []
  const machine = createLine((socket) => void lines.push(socket.on('error', () => undefined)))
  await new Promise<void>((resolve) => machine.listen(0, '127.0.0.1', resolve))
  const clock = createVirtualClock()
  const first = Promise.withResolvers<Carried>()
  const server = createServer(webSocketServerOptions, (_request, response) => {
    response.end('plain')
  })
  server.on('upgrade', async (request, socket, head) => {
    if (request.url === '/refused') {
      refuseUpgrade(socket, new PurlinError('PUR_CONSOLE_BUSY', { message: 'somebody’s there' }))
      return
    }
    const line = connect((machine.address() as AddressInfo).port, '127.0.0.1')
    await once(line, 'connect')
    const lineEnd = async () => ({ code: 4000, reason: 'it is off' })
    const given = { clock, lineEnd, silenceCode: 4003, ...options }
    carryWebSocket({ request, socket, head }, line, given).then(first.resolve, first.reject)
  })
  first.promise.catch(() => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    machine.close()
    server.closeAllConnections()
    server.close()
    for (const line of lines) line.destroy()
  })
  const { port } = server.address() as AddressInfo
  return { url: `ws://127.0.0.1:${port}`, lines, carried: first.promise, clock }
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await delay(5)
}

async function opened(url: string, protocols: readonly string[] = []): Promise<WebSocket> {
  const viewer = new WebSocket(url, [...protocols])
  await once(viewer, 'open')
  return viewer
}

async function closedWith(viewer: WebSocket): Promise<readonly [number, string]> {
  const [code, reason] = await once(viewer, 'close')
  return [code, String(reason)]
}

test('bytes go both ways as binary messages, what was before them first', async (t) => {
  const { url, lines, carried } = await bench(t, { first: Buffer.from('before ') })
  const viewer = new WebSocket(url)
  let got = ''
  viewer.on('message', (message: Buffer, isBinary: boolean) => {
    t.true(isBinary)
    got += message.toString()
  })
  await until(() => lines.length === 1)
  let heard = ''
  lines[0]?.on('data', (chunk) => (heard += chunk))
  lines[0]?.write('now')
  await until(() => got === 'before now')
  viewer.send(Buffer.from([0, 255, 10]))
  viewer.send('text')
  await until(() => heard.length >= 7)
  viewer.close()
  const { by, bytesToViewer, bytesFromViewer } = await (await carried).ended
  t.deepEqual([by, bytesToViewer, bytesFromViewer], ['viewer', 10, 7])
  await until(() => lines[0]?.closed === true)
})

test('the protocol that older viewers of RFB ask for is taken, others are not', async (t) => {
  const { url } = await bench(t)
  const viewer = await opened(url, ['base64', 'binary'])
  t.is(viewer.protocol, 'binary')
  viewer.close()
})

test('a line that ends closes the WebSocket with its reason, after all that it said', async (t) => {
  const { url, lines, carried } = await bench(t)
  const viewer = new WebSocket(url)
  let got = 0
  viewer.on('message', (message: Buffer) => (got += message.length))
  await until(() => lines.length === 1)
  lines[0]?.end(Buffer.alloc(3_000_000))
  t.deepEqual(await closedWith(viewer), [4000, 'it is off'])
  t.is(got, 3_000_000)
  t.is((await (await carried).ended).by, 'line')
})

test('whoever carries may end it; a long reason is cut at a character', async (t) => {
  const { url, carried } = await bench(t)
  const viewer = await opened(url)
  const closed = closedWith(viewer)
  ;(await carried).end(4002, 'ü'.repeat(100))
  t.deepEqual(await closed, [4002, 'ü'.repeat(61)])
  t.is((await (await carried).ended).by, 'us')
})

test('a viewer that reads nothing holds its line back, and gets all of it in the end', async (t) => {
  const { url, lines, carried } = await bench(t)
  const viewer = await opened(url)
  viewer.pause()
  await carried
  const [line] = lines
  if (line === undefined) throw new Error('no line')
  const piece = Buffer.alloc(65_536)
  const total = 512
  let written = 0
  const flood = async (): Promise<void> => {
    for (; written < total; written++) if (!line.write(piece)) await once(line, 'drain')
  }
  const flooded = flood()
  let before = -1
  while (written !== before) {
    before = written
    await delay(100)
  }
  t.true(written < total, `${written} pieces were taken`)
  let got = 0
  viewer.on('message', (message: Buffer) => (got += message.length))
  viewer.resume()
  await flooded
  await until(() => got === total * piece.length)
  viewer.close()
})

test('a machine that reads nothing holds its viewer back, and that is no silence', async (t) => {
  const { url, lines, carried, clock } = await bench(t)
  const viewer = await opened(url)
  await carried
  lines[0]?.pause()
  const piece = Buffer.alloc(65_536)
  let pieces = 0
  let before = -1
  while (viewer.bufferedAmount !== before || before === 0) {
    before = viewer.bufferedAmount
    for (; pieces < 400; pieces++) viewer.send(piece)
    await delay(100)
  }
  t.true(viewer.bufferedAmount > 0)
  await clock.advance(120_000)
  let heard = 0
  lines[0]?.on('data', (chunk) => (heard += chunk.length))
  lines[0]?.resume()
  await until(() => heard === pieces * piece.length)
  t.is(viewer.readyState, WebSocket.OPEN)
  viewer.close()
})

test('a viewer of which nothing is heard for a minute is hung up on', async (t) => {
  const { url, lines, carried, clock } = await bench(t)
  const viewer = await opened(url)
  await carried
  await until(() => lines.length === 1)
  await clock.advance(20_000)
  let heard = ''
  lines[0]?.on('data', (chunk) => (heard += chunk))
  viewer.send('here')
  await until(() => heard === 'here')
  viewer.pause()
  await clock.advance(60_000)
  t.is(viewer.readyState, WebSocket.OPEN)
  await clock.advance(20_000)
  t.is((await (await carried).ended).by, 'silence')
  viewer.terminate()
})

test('a message that is too large ends the connection and nothing else', async (t) => {
  const { url, carried } = await bench(t)
  const viewer = await opened(url)
  viewer.send(Buffer.alloc(2_000_000))
  t.is((await closedWith(viewer))[0], 1009)
  await (await carried).ended
})

test('a refusal before the upgrade is a problem document with its status', async (t) => {
  const { url } = await bench(t)
  const viewer = new WebSocket(`${url}/refused`)
  const [, answer] = await once(viewer, 'unexpected-response')
  t.is(answer.statusCode, 409)
  t.is(answer.headers['content-type'], 'application/problem+json')
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk)
  t.like(JSON.parse(Buffer.concat(chunks).toString()), { code: 'PUR_CONSOLE_BUSY', status: 409 })
})

test('a request for another protocol than WebSocket is answered as any other', async (t) => {
  const { url } = await bench(t)
  const headers = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c' }
  const { request } = await import('node:http')
  const asked = request(url.replace('ws:', 'http:'), { headers }).end()
  const [answer] = await once(asked, 'response')
  let text = ''
  for await (const chunk of answer) text += chunk
  t.is(text, 'plain')
})

test('a handshake that is none is refused, and its line is let go', async (t) => {
  const { url, lines, carried } = await bench(t)
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
  const [chunk] = await once(socket, 'data')
  t.regex(String(chunk), /^HTTP\/1\.1 400 /)
  await t.throwsAsync(carried, { code: 'PUR_CANCELLED' })
  await until(() => lines[0]?.closed === true)
})
