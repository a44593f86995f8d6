import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A request as the server of a test saw it. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export type Respond = (
  request: SeenRequest,
  response: ServerResponse,
  /** Requests before this one. */
  earlier: readonly SeenRequest[],
) => void | Promise<void>

export interface TestServer extends AsyncDisposable {
  readonly socketPath: string
  readonly folder: string
  readonly seen: readonly SeenRequest[]
}

/** A server on a unix socket in a folder of its own. */
export async function serve(respond: Respond): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-sdk-'))
  const socketPath = join(folder, 'agent.sock')
  const seen: SeenRequest[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const url = new URL(request.url ?? '/', 'http://localhost')
    const one: SeenRequest = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body: Buffer.concat(chunks).toString(),
    }
    const earlier = [...seen]
    seen.push(one)
    await respond(one, response, earlier)
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

/** Answers with JSON. */
export function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** Answers with a problem document. */
export function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  more: Readonly<Record<string, unknown>> = {},
): void {
  response
    .writeHead(status, { 'content-type': 'application/problem+json' })
    .end(JSON.stringify({ code, detail: `refused with ${code}`, status, ...more }))
}
