import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface AgentRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
}

/** Status and body of an answer; a text is sent as it is. */
export type AgentAnswer = readonly [status: number, body: unknown]
/** What the agent answers, by `METHOD /path`. */
export type Routes = Readonly<
  Record<string, AgentAnswer | ((request: AgentRequest) => AgentAnswer)>
>

/** An agent that gives fixed answers on a unix socket. */
export interface FixedAgent extends AsyncDisposable {
  readonly socketPath: string
  /** For files of the test; goes with the agent. */
  readonly folder: string
  readonly seen: readonly AgentRequest[]
}

/** Starts the agent; a call without a route is answered with 404. */
export async function fixedAgent(routes: Routes): Promise<FixedAgent> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-cli-'))
  const socketPath = join(folder, 'agent.sock')
  const seen: AgentRequest[] = []
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const url = new URL(incoming.url ?? '/', 'http://localhost')
    const request: AgentRequest = {
      method: incoming.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: incoming.headers,
      body: Buffer.concat(chunks).toString(),
    }
    seen.push(request)
    const key = `${request.method} ${request.path}`
    const route = routes[key] ?? problem(404, 'PUR_RESOURCE_MISSING', `nothing at ${key}`)
    const [status, body] = typeof route === 'function' ? route(request) : route
    response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  return {
    socketPath,
    folder,
    seen,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A problem document. */
export function problem(
  status: number,
  code: string,
  detail: string,
  more: Readonly<Record<string, unknown>> = {},
): AgentAnswer {
  return [status, { code, detail, status, ...more }]
}
