import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { Role } from '@purlin/schema'
import test, { type ExecutionContext } from 'ava'
import { pino } from 'pino'
import { z } from 'zod'
import type { ResourceHandlers } from './handlers.ts'
import { buildApi } from './server.ts'

const calls = {
  upload: {
    method: 'PUT',
    path: '/v1/things/:name/content',
    summary: 'Take a stream.',
    role: 'operator',
    status: 200,
    bodyType: 'application/octet-stream',
    streamed: true,
    answer: z.strictObject({ bytes: z.number(), sha256: z.string(), name: z.string() }),
  },
  echo: {
    method: 'POST',
    path: '/v1/echo',
    summary: 'Answer what was sent.',
    role: 'viewer',
    status: 200,
    body: z.strictObject({ word: z.string() }),
    answer: z.strictObject({ word: z.string() }),
  },
} as const

async function api(t: ExecutionContext, role: Role | undefined = undefined): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-api-'))
  const app = await buildApi({
    title: 'Things',
    version: '1.0.0',
    tokens: { holderOf: () => undefined } as never,
    provenRole: () => role,
    operations: calls,
    handlers: {
      upload: async ({ body, params }) => {
        const hash = createHash('sha256')
        let bytes = 0
        for await (const chunk of body) {
          bytes += (chunk as Buffer).length
          hash.update(chunk as Buffer)
        }
        return { bytes, sha256: hash.digest('hex'), name: params.name ?? '' }
      },
      echo: async ({ body }) => body,
    },
    kinds: ['Secret'],
    resources: { list: () => [] } as unknown as ResourceHandlers,
    elsewhere: (kind) => `${kind} is served by another`,
    logger: pino({ level: 'silent' }),
  })
  const socket = join(folder, 'api.sock')
  const server = createServer((incoming, outgoing) => app.routing(incoming, outgoing))
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  t.teardown(async () => {
    server.close()
    server.closeAllConnections()
    await app.close()
    await rm(folder, { recursive: true, force: true })
  })
  return socket
}

interface Answered {
  readonly status: number
  readonly body: Record<string, unknown>
}

async function send(
  socket: string,
  { method, path, type }: { method: string; path: string; type: string },
  body: Iterable<Buffer>,
): Promise<Answered> {
  return await new Promise((resolve, reject) => {
    const headers = { 'content-type': type }
    const outgoing = request({ socketPath: socket, method, path, headers }, (answer) => {
      const parts: Buffer[] = []
      answer.on('data', (part: Buffer) => parts.push(part))
      answer.on('end', () => {
        const text = Buffer.concat(parts).toString()
        resolve({ status: answer.statusCode ?? 0, body: JSON.parse(text) })
      })
    })
    outgoing.on('error', reject)
    Readable.from(body).pipe(outgoing)
  })
}

const json = (word: unknown): Buffer[] => [Buffer.from(JSON.stringify(word))]

test('a streamed body is longer than any other may be, and is never held whole', async (t) => {
  const socket = await api(t)
  const chunk = Buffer.alloc(1024 * 1024, 7)
  const count = 80
  const hash = createHash('sha256')
  for (let index = 0; index < count; index++) hash.update(chunk)
  const path = '/v1/things/debian/content'
  const answer = await send(
    socket,
    { method: 'PUT', path, type: 'application/octet-stream' },
    (function* () {
      for (let index = 0; index < count; index++) yield chunk
    })(),
  )
  t.is(answer.status, 200)
  const sha256 = hash.digest('hex')
  t.deepEqual(answer.body, { bytes: count * chunk.length, sha256, name: 'debian' })
})

test('calls beside a streamed one are checked and answered as ever', async (t) => {
  const socket = await api(t)
  const echo = { method: 'POST', path: '/v1/echo', type: 'application/json' }
  t.deepEqual(await send(socket, echo, json({ word: 'one' })), {
    status: 200,
    body: { word: 'one' },
  })
  const refused = await send(socket, echo, json({ word: 1 }))
  t.is(refused.status, 422)
  t.is(refused.body.code, 'PUR_INVALID')
})

test('a kind that others serve is refused with who does; a path of nobody is not found', async (t) => {
  const socket = await api(t)
  const get = async (path: string): Promise<Answered> =>
    await send(socket, { method: 'GET', path, type: 'application/json' }, [])
  t.like(await get('/v1/virtual-machines'), { body: { code: 'PUR_KIND_NOT_SERVED' } })
  t.regex(String((await get('/v1/virtual-machines/a')).body.detail), /served by another/)
  t.like(await get('/v1/nothing'), { status: 404, body: { code: 'PUR_RESOURCE_MISSING' } })
  t.is((await get('/v1/secrets')).status, 200)
})

test('what a connection proves counts before its token', async (t) => {
  const socket = await api(t, 'viewer')
  const upload = { method: 'PUT', path: '/v1/things/a/content', type: 'application/octet-stream' }
  t.is((await send(socket, upload, [Buffer.from('x')])).status, 403)
  const echo = { method: 'POST', path: '/v1/echo', type: 'application/json' }
  t.is((await send(socket, echo, json({ word: 'one' }))).status, 200)
})
