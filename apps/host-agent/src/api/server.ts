import { chmod, chown, mkdir, readFile, unlink } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import swagger from '@fastify/swagger'
import { PurlinError } from '@purlin/base'
import {
  type Kind,
  kindNames,
  kinds,
  type Operation,
  type OperationName,
  operations,
  type Role,
  storedSchemaOf,
  task,
} from '@purlin/schema'
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  fastify,
  LogController,
} from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { authorise, type Tokens } from './auth.ts'
import {
  cameByNetwork,
  type FleetListener,
  listenForHosts,
  noteNetworkSockets,
  provenFingerprint,
} from './fleet-listener.ts'
import type { Call, OperationHandlers, ResourceHandlers } from './handlers.ts'
import { problemResponses, swaggerOptions } from './openapi.ts'
import { answerProblem, answerUnknownCall } from './problem.ts'

export interface ApiOptions {
  readonly version: string
  readonly tokens: Tokens
  /** The host that proves itself by a certificate; undefined for one that is not believed. */
  readonly hostOfFingerprint: (fingerprint: string) => string | undefined
  readonly operations: OperationHandlers
  readonly resources: ResourceHandlers
  readonly logger: FastifyBaseLogger
}

const BODY_LIMIT_BYTES = 64 * 1024 * 1024
/** Of calls that anybody may make. */
const OPEN_BODY_LIMIT_BYTES = 64 * 1024

/** Builds the API out of the schema's table of calls and kinds; nothing listens yet. */
export async function buildApi(options: ApiOptions): Promise<FastifyInstance> {
  const app = fastify({
    loggerInstance: options.logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: 120_000,
    routerOptions: { maxParamLength: 200 },
  })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.setErrorHandler(answerProblem)
  app.setNotFoundHandler(answerUnknownCall)
  app.addContentTypeParser(
    'application/octet-stream',
    { parseAs: 'buffer' },
    (_request, body, done) => done(null, body),
  )
  await app.register(swagger, swaggerOptions(options.version))
  await app.register(async (scope) => {
    for (const kind of kindNames) registerKind(scope, kind, options)
    for (const name of Object.keys(operations) as OperationName[])
      registerOperation(scope, name, options)
    scope.get('/v1/openapi.json', { schema: { hide: true } }, async (request) => {
      authorise('viewer', roleOf(request, options), 'GET /v1/openapi.json')
      return app.swagger()
    })
  })
  await app.ready()
  return app as unknown as FastifyInstance
}

/** Where the API listens beside its unix socket. */
export interface ListenOptions {
  readonly socket: string
  /** Group of the socket, whose mode is 0660. */
  readonly group: string
  /** On loopback; 0: not. */
  readonly tcpPort: number
  /** For other hosts, over TLS. */
  readonly fleet?: FleetListener | undefined
}

/** Listens on the unix socket and, where it is asked for, on loopback and for other hosts. */
export async function listen(
  app: FastifyInstance,
  { socket, group, tcpPort, fleet }: ListenOptions,
): Promise<{ readonly close: () => Promise<void> }> {
  // The ports first: an agent that cannot have them must not have answered on its socket before.
  const loopback = tcpPort === 0 ? undefined : await listenLoopback(app, tcpPort)
  const peers = fleet && (await listenForHosts(app, fleet))
  await mkdir(dirname(socket), { recursive: true })
  await removeStaleSocket(socket)
  const before = process.umask(0o117)
  try {
    await app.listen({ path: socket })
  } finally {
    process.umask(before)
  }
  await chmod(socket, 0o660)
  const groupId = await groupIdOf(group)
  if (groupId !== undefined) await chown(socket, 0, groupId)
  return {
    close: async () => {
      loopback?.close()
      loopback?.closeAllConnections()
      peers?.close()
      peers?.closeAllConnections()
      app.server.closeAllConnections()
      await app.close()
    },
  }
}

async function listenLoopback(app: FastifyInstance, port: number): Promise<Server> {
  const server = createServer((request, response) => app.routing(request, response))
  noteNetworkSockets(server)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const message = `127.0.0.1:${port} cannot be listened on: ${cause.message}; give another api.tcpPort, or end who listens there`
      reject(new PurlinError('PUR_AGENT_BUSY', { message, cause }))
    })
    server.listen({ port, host: '127.0.0.1' }, resolve)
  })
  return server
}

async function removeStaleSocket(socket: string): Promise<void> {
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(socket)
    probe.once('connect', () => resolve(true))
    probe.once('error', () => resolve(false))
    probe.once('close', () => probe.destroy())
  })
  if (alive) {
    const message = `${socket}: another agent answers there; stop it first`
    throw new PurlinError('PUR_AGENT_BUSY', { message })
  }
  await unlink(socket).catch(() => undefined)
}

async function groupIdOf(group: string): Promise<number | undefined> {
  const lines = (await readFile('/etc/group', 'utf8').catch(() => '')).split('\n')
  const id = lines.find((line) => line.startsWith(`${group}:`))?.split(':')[2]
  return id === undefined ? undefined : Number(id)
}

function registerOperation(app: FastifyInstance, name: OperationName, options: ApiOptions): void {
  const operation: Operation = operations[name]
  const handler = options.operations[name] as (call: Call) => Promise<unknown>
  app.route({
    method: operation.method,
    url: operation.path,
    ...(operation.role === null && { bodyLimit: OPEN_BODY_LIMIT_BYTES }),
    schema: {
      operationId: name,
      summary: operation.summary,
      ...(operation.query && { querystring: operation.query }),
      ...(operation.body && { body: operation.body }),
      ...(operation.path.includes(':') && { params: paramsOf(operation.path) }),
      response: {
        ...(operation.answer && { [operation.status]: operation.answer }),
        ...(operation.answer &&
          operation.otherStatus && { [operation.otherStatus]: operation.answer }),
        ...problemResponses,
      },
    },
    handler: async (request, reply) => {
      authorise(operation.role, roleOf(request, options), `${operation.method} ${operation.path}`)
      const answer = await handler(callOf(request, reply))
      if (reply.sent || reply.raw.headersSent) return reply
      if (operation.answerType !== undefined) {
        return await reply.status(operation.status).type(operation.answerType).send(answer)
      }
      return await reply
        .status(reply.statusCode === 200 ? operation.status : reply.statusCode)
        .send(answer)
    },
  })
}

function registerKind(app: FastifyInstance, kind: Kind, options: ApiOptions): void {
  const { resources } = options
  const stored = storedSchemaOf(kind)
  const add = (route: KindRoute): void => {
    const url = `/v1/${kinds[kind].plural}${route.one ? '/:name' : ''}`
    app.route({
      method: route.method,
      url,
      schema: {
        operationId: `${route.verb}${kind}`,
        summary: route.summary,
        ...(route.one && { params: z.strictObject({ name: z.string() }) }),
        ...(route.method === 'PUT' && { body: kinds[kind].manifest }),
        response: { [route.status]: route.answer, ...problemResponses },
      },
      handler: async (request, reply) => {
        authorise(route.role, roleOf(request, options), `${route.method} ${url}`)
        const call = callOf(request, reply)
        const answer = await route.work(call.params.name ?? '', call)
        if ('revision' in answer) reply.header('etag', `"${answer.revision}"`)
        return await reply.status(route.status).send(answer)
      },
    })
  }
  const read = { method: 'GET', role: 'viewer', status: 200 } as const
  add({
    ...read,
    verb: 'list',
    one: false,
    summary: `Every ${kind}.`,
    answer: z.object({ items: z.array(stored) }),
    work: async () => ({ items: resources.list(kind) }),
  })
  add({
    ...read,
    verb: 'get',
    one: true,
    summary: `One ${kind}.`,
    answer: stored,
    work: async (name) => resources.get(kind, name),
  })
  if ('observed' in kinds[kind]) return
  const write = { one: true, role: 'operator', status: 202, answer: task } as const
  add({
    ...write,
    method: 'PUT',
    verb: 'put',
    summary: `Create or change a ${kind}; If-Match guards the revision.`,
    work: (name, call) => resources.put(kind, name, call),
  })
  add({
    ...write,
    method: 'DELETE',
    verb: 'delete',
    summary: `Delete a ${kind}; If-Match guards the revision.`,
    work: (name, call) => resources.remove(kind, name, call),
  })
}

/** One of the four calls that every kind has. */
interface KindRoute {
  readonly method: 'GET' | 'PUT' | 'DELETE'
  readonly verb: 'list' | 'get' | 'put' | 'delete'
  /** Whether the path names one resource. */
  readonly one: boolean
  readonly role: Role
  readonly status: 200 | 202
  readonly summary: string
  readonly answer: z.ZodType
  readonly work: (name: string, call: Call) => Promise<object>
}

function paramsOf(path: string): z.ZodObject {
  const names = [...path.matchAll(/:([a-z]+)/g)].map((match) => match[1] ?? '')
  return z.strictObject(Object.fromEntries(names.map((name) => [name, z.string()])))
}

/** A unix socket has no peer address: its mode and group decided already who may call. A host of
 *  the fleet proves itself by its certificate. */
function roleOf(
  request: FastifyRequest,
  { tokens, hostOfFingerprint }: Pick<ApiOptions, 'tokens' | 'hostOfFingerprint'>,
): Role | undefined {
  const fingerprint = provenFingerprint(request.raw.socket)
  if (fingerprint !== undefined && hostOfFingerprint(fingerprint) !== undefined) return 'admin'
  if (!cameByNetwork(request.raw.socket)) return 'admin'
  const bearer = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1]
  return bearer === undefined ? undefined : tokens.roleOf(bearer)
}

function callOf(request: FastifyRequest, reply: import('fastify').FastifyReply): Call {
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort())
  const key = request.headers['idempotency-key']
  const match = /^"?(\d+)"?$/.exec(request.headers['if-match'] ?? '')?.[1]
  const lastEvent = /^\d+$/.exec(String(request.headers['last-event-id'] ?? ''))?.[0]
  return {
    params: (request.params ?? {}) as Record<string, string>,
    query: request.query,
    body: request.body,
    signal: gone.signal,
    reply,
    ...(typeof key === 'string' && { idempotencyKey: key.slice(0, 200) }),
    ...(match !== undefined && { ifRevision: Number(match) }),
    ...(lastEvent !== undefined && { lastEventId: Number(lastEvent) }),
  }
}
