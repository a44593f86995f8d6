import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, get } from 'node:http'
import { type AddressInfo, connect, createServer as createLine, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createVirtualClock, PurlinError, type VirtualClock } from '@purlin/base'
import type { NewEvent } from '@purlin/schema'
import type { Caller, StoredRecord } from '@purlin/service'
import test, { type ExecutionContext } from 'ava'
import { Consoles, type ConsoleWish } from './consoles.ts'

interface Bench {
  readonly consoles: Consoles
  readonly clock: VirtualClock
  readonly events: NewEvent[]
  /** The machine's end of each open console, in order. */
  readonly lines: Socket[]
  /** Who those prove to be who open one. */
  proven: Caller | undefined
  /** Who may not call any more. */
  readonly gone: Set<string>
  /** Leave for a console of web-1. */
  ask(wish?: Partial<ConsoleWish>, caller?: Caller): Promise<string>
  open(token: string): WebSocket
  /** Status and code of the refusal. */
  refused(token: string, path?: string): Promise<string>
}

const ci: Caller = { name: 'token ci', role: 'operator' }
const record = {
  manifest: { kind: 'VirtualMachine', name: 'web-1', spec: {} },
  uid: 'u1',
} as unknown as StoredRecord<'VirtualMachine'>
const serial: ConsoleWish = { kind: 'serial', force: false, tailBytes: 0 }

async function bench(t: ExecutionContext, log = ''): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-consoles-'))
  const logFile = join(folder, 'serial.log')
  await writeFile(logFile, log)
  const lines: Socket[] = []
  const machine = createLine((socket) => void lines.push(socket.on('error', () => undefined)))
  await new Promise<void>((resolve) => machine.listen(0, '127.0.0.1', resolve))
  const clock = createVirtualClock()
  const events: NewEvent[] = []
  const consoles = new Consoles({
    clock,
    random: randomBytes,
    consoles: {
      look: async () => logFile,
      open: async () => {
        const line = connect((machine.address() as AddressInfo).port, '127.0.0.1')
        await once(line, 'connect')
        return line.on('error', () => undefined)
      },
      whyEnded: async () => 'machine-off',
    },
    callerOf: () => made.proven,
    stillMay: ({ name }) => !made.gone.has(name),
    tell: (event) => void events.push(event),
  })
  const server = createServer()
  server.on('upgrade', (request, socket, head) => {
    void consoles.upgrade({ request, socket, head })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  t.teardown(async () => {
    for (const line of lines) line.destroy()
    machine.close()
    server.closeAllConnections()
    server.close()
    await rm(folder, { recursive: true })
  })
  const made: Bench = {
    ...{ consoles, clock, events, lines, proven: undefined, gone: new Set() },
    ask: async (wish = {}, caller = ci) => {
      const { signal } = new AbortController()
      return (await consoles.ask(record, { ...serial, ...wish }, caller, signal)).token
    },
    open: (token) => new WebSocket(`ws://127.0.0.1:${port}/v1/console?token=${token}`),
    refused: async (token, path = '/v1/console') => {
      const headers = {
        ...{ connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
        'sec-websocket-key': Buffer.alloc(16).toString('base64'),
      }
      const asked = get({ port, path: `${path}?token=${token}`, headers })
      const [answer] = await once(asked, 'response')
      let text = ''
      for await (const chunk of answer) text += chunk
      t.false(text.includes(token) && token !== '', 'no token is told')
      return `${answer.statusCode} ${JSON.parse(text).code}`
    },
  }
  return made
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await delay(5)
}

const farewell = (viewer: WebSocket): Promise<string> =>
  new Promise((resolve) => {
    viewer.addEventListener('close', ({ code, reason }) => resolve(`${code} ${reason}`))
  })

async function opened(viewer: WebSocket): Promise<WebSocket> {
  await once(viewer, 'open')
  return viewer
}

test('a token opens one console once, and for half a minute', async (t) => {
  const { ask, open, refused, clock } = await bench(t)
  const token = await ask()
  const viewer = await opened(open(token))
  t.is(await refused(token), '401 PUR_CONSOLE_TOKEN')
  viewer.close()
  const screen = await ask({ kind: 'vnc' })
  await clock.advance(30_000)
  t.is(await refused(screen), '401 PUR_CONSOLE_TOKEN')
  t.is(await refused(''), '401 PUR_CONSOLE_TOKEN')
  t.is(await refused(screen, '/v1/other'), '404 PUR_RESOURCE_MISSING')
})

test('a token is its owner’s: not another’s, and not theirs who may not call any more', async (t) => {
  const made = await bench(t)
  const { ask, open, refused, gone } = made
  made.proven = { name: 'token other', role: 'admin' }
  t.is(await refused(await ask()), '403 PUR_AUTH_FORBIDDEN')
  made.proven = ci
  const viewer = await opened(open(await ask()))
  viewer.close()
  gone.add(ci.name)
  t.is(await refused(await ask({ kind: 'vnc' })), '403 PUR_AUTH_FORBIDDEN')
})

test('a serial console has one user; force sends the first away, with whose doing it was', async (t) => {
  const { ask, open, refused, lines } = await bench(t)
  const late = await ask()
  const first = await opened(open(await ask()))
  const sent = farewell(first)
  await t.throwsAsync(ask(), { code: 'PUR_CONSOLE_BUSY', message: /token ci is at it/ })
  t.is(await refused(late), '409 PUR_CONSOLE_BUSY')
  const second = await opened(
    open(await ask({ force: true }, { name: 'token ops', role: 'admin' })),
  )
  t.is(await sent, '4002 token ops took the console over')
  await until(() => lines.length === 2)
  lines[1]?.write('hello')
  const [{ data }] = await once(second, 'message')
  t.is(await (data as Blob).text(), 'hello')
  second.close()
})

test('a screen has four viewers at a time', async (t) => {
  const { ask, open, events } = await bench(t)
  const viewers: WebSocket[] = []
  for (let count = 0; count < 4; count++) {
    viewers.push(await opened(open(await ask({ kind: 'vnc' }))))
  }
  await t.throwsAsync(ask({ kind: 'vnc' }), {
    code: 'PUR_CONSOLE_LIMIT',
    message: /^console .* 4 /,
  })
  viewers[0]?.close()
  await until(() => events.some(({ type }) => type === 'console.closed'))
  await t.notThrowsAsync(ask({ kind: 'vnc' }))
  for (const viewer of viewers) viewer.close()
})

test('a machine that goes off ends its console; both ends of the session are told of', async (t) => {
  const { ask, open, lines, events } = await bench(t, 'older words')
  const viewer = open(await ask({ tailBytes: 5 }))
  const [{ data }] = await once(viewer, 'message')
  t.is(await (data as Blob).text(), 'words')
  const end = farewell(viewer)
  viewer.send('ls\r')
  await until(() => lines.length === 1)
  await once(lines[0] as Socket, 'data')
  lines[0]?.destroy()
  t.is(await end, '4000 machine web-1: it is off')
  await until(() => events.length === 2)
  const subject = { kind: 'VirtualMachine', name: 'web-1' }
  t.like(events[0], {
    ...{ type: 'console.opened', severity: 'notice', subject },
    message: 'serial console opened by token ci',
  })
  t.like(events[1], {
    ...{ type: 'console.closed', subject },
    message: 'serial console of token ci closed after 0 s: it is off',
    context: { user: 'token ci', bytesToViewer: 5, bytesFromViewer: 3, reason: 'machine-off' },
  })
})

test('an agent that stops says so to every viewer, and opens no console any more', async (t) => {
  const { ask, open, refused, consoles } = await bench(t)
  const later = await ask({ kind: 'vnc' })
  const end = farewell(await opened(open(await ask())))
  await consoles.close()
  t.is(await end, '1001 the agent stops; open it again')
  t.is(await refused(later), '503 PUR_AGENT_UNHEALTHY')
})

test('tokens that nobody uses are bounded, and old ones make room', async (t) => {
  const { ask, clock } = await bench(t)
  for (let count = 0; count < 256; count++) await ask()
  const error = await t.throwsAsync(ask(), { instanceOf: PurlinError })
  t.is(error?.code, 'PUR_CONSOLE_LIMIT')
  await clock.advance(30_000)
  await t.notThrowsAsync(ask())
})
