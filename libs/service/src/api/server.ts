import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import swagger from '@fastify/swagger'
import { type Kind, kinds, type Operation, type Role, storedSchemaOf, task } from '@purlin/schema'
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  LogController,
} from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { authorise, type Tokens } from './auth.ts'
import { type Caller, callerOf } from './caller.ts'
import type { Call, HandlersOf, OperationTable, ResourceHandlers } from './handlers.ts'
import { problemResponses, swaggerOptions } from './openapi.ts'
import { answerProblem, unknownCall } from './problem.ts'
import { type UpgradeHandler, webSocketServerOptions } from './upgrade.ts'

export interface ApiOptions<Table extends OperationTable> {
  /** Of the OpenAPI document. */
  readonly title: string
  readonly version: string
  readonly tokens: Tokens
  /** What the other end of a connection proved to be, beside a token; undefined: nothing. */
  readonly provenRole?: (socket: Socket) => Role | undefined
  /** The calls that are answered, and how. */
  readonly operations: Table
  readonly handlers: HandlersOf<Table>
  /** The kinds that are served, each with its four calls, and how. */
  readonly kinds: readonly Kind[]
  readonly resources: ResourceHandlers
  /** Says who serves a kind that is not served here. */
  readonly elsewhere?: (kind: Kind) => string
  readonly logger: FastifyBaseLogger
  /** Takes connections that ask to be WebSockets; absent: they are answered as any other. */
  readonly upgrade?: UpgradeHandler
}

/** What the registration of a call needs, whatever the table. */
interface Grounds extends Pick<ApiOptions<OperationTable>, 'tokens' | 'provenRole' | 'resources'> {
  readonly operations: OperationTable
  readonly handlers: Readonly<Record<string, (call: Call) => Promise<unknown>>>
}

const BODY_LIMIT_BYTES = 64 * 1024 * 1024
/** Of calls that anybody may make. */
const OPEN_BODY_LIMIT_BYTES = 64 * 1024
/** For a whole request that is not a stream. */
const REQUEST_TIMEOUT_MS = 120_000
const STREAM_TYPE = 'application/octet-stream'

/** Builds the API out of a table of calls and the kinds served; nothing listens yet. */
export async function buildApi<const Table extends OperationTable>(
  options: ApiOptions<Table>,
): Promise<FastifyInstance> {
  const { operations, kinds: served } = options
  const names = Object.keys(operations)
  const streamed = names.filter((name) => operations[name]?.streamed)
  const app = fastify({
    loggerInstance: options.logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT_BYTES,
    // Node knows one deadline for all requests; where some are streams, each other one has its own.
    requestTimeout: streamed.length === 0 ? REQUEST_TIMEOUT_MS : 0,
    routerOptions: { maxParamLength: 200 },
    ...(options.upgrade && { http: webSocketServerOptions }),
  })
  if (options.upgrade) app.server.on('upgrade', options.upgrade)
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.setErrorHandler(answerProblem)
  app.setNotFoundHandler(unknownCall(served, options.elsewhere))
  app.addContentTypeParser(STREAM_TYPE, { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  )
  await app.register(swagger, swaggerOptions(options))
  const grounds = options as unknown as Grounds
  await app.register(async (scope) => {
    if (streamed.length > 0) limitRequests(scope)
    for (const kind of served) registerKind(scope, kind, grounds)
    for (const name of names) if (!streamed.includes(name)) registerOperation(scope, name, grounds)
    scope.get('/v1/openapi.json', { schema: { hide: true } }, async (request) => {
      authorise('viewer', callerOf(request.raw, grounds)?.role, 'GET /v1/openapi.json')
      return app.swagger()
    })
  })
  await app.register(async (scope) => {
    scope.removeContentTypeParser(STREAM_TYPE)
    scope.addContentTypeParser(STREAM_TYPE, (_request, payload: Readable, done) =>
      done(null, payload),
    )
    for (const name of streamed) registerOperation(scope, name, grounds)
  })
  await app.ready()
  return app as unknown as FastifyInstance
}

/** Ends connections whose request does not come whole in time. */
function limitRequests(scope: FastifyInstance): void {
  scope.addHook('onRequest', async ({ raw }) => {
    const timer = setTimeout(() => {
      if (!raw.complete) raw.socket.destroy()
    }, REQUEST_TIMEOUT_MS)
    timer.unref()
    raw.once('close', () => clearTimeout(timer))
  })
}

function registerOperation(app: FastifyInstance, name: string, grounds: Grounds): void {
  const operation: Operation | undefined = grounds.operations[name]
  if (operation === undefined) throw new Error(`no call named ${name}`)
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
      const caller = callerOf(request.raw, grounds)
      authorise(operation.role, caller?.role, `${operation.method} ${operation.path}`)
      const answer = await grounds.handlers[name]?.(callOf(request, reply, caller))
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

function registerKind(app: FastifyInstance, kind: Kind, grounds: Grounds): void {
  const { resources } = grounds
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
        const caller = callerOf(request.raw, grounds)
        authorise(route.role, caller?.role, `${route.method} ${url}`)
        const call = callOf(request, reply, caller)
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

function callOf(request: FastifyRequest, reply: FastifyReply, caller: Caller | undefined): Call {
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
    ...(caller && { caller }),
    ...(typeof key === 'string' && { idempotencyKey: key.slice(0, 200) }),
    ...(match !== undefined && { ifRevision: Number(match) }),
    ...(lastEvent !== undefined && { lastEventId: Number(lastEvent) }),
  }
}
