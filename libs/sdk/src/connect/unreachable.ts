import { PurlinError } from '@purlin/base'

const SENTENCES: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  UND_ERR_SOCKET: 'the connection was cut',
  UND_ERR_CONNECT_TIMEOUT: 'the connection was not taken in time',
  UND_ERR_HEADERS_TIMEOUT: 'the connection was taken, but no answer came',
  UND_ERR_BODY_TIMEOUT: 'the answer stopped before its end',
}

/** The error of a call whose connection failed. A socket that may not be opened is no matter of
 *  waiting, so it is PUR_AUTH_FORBIDDEN; everything else is PUR_AGENT_UNREACHABLE. */
export function errorOfConnection(what: string, title: string, thrown: unknown): PurlinError {
  if (thrown instanceof PurlinError) return thrown
  const code = codeOf(thrown)
  if (code === 'EACCES' || code === 'EPERM') {
    return new PurlinError('PUR_AUTH_FORBIDDEN', {
      message: `${what}: ${title} may not be opened by this user; use sudo, or join the group of the socket`,
      context: { target: title },
      cause: thrown,
    })
  }
  const found = SENTENCES[code] ?? (thrown instanceof Error ? thrown.message : String(thrown))
  return new PurlinError('PUR_AGENT_UNREACHABLE', {
    message: `${what}: no agent answers at ${title}: ${found}; see that purlin-host-agent runs`,
    context: { target: title, found: code },
    cause: thrown,
  })
}

/** The system's or the HTTP client's own code; a failed race of addresses has it in its first
 *  part. */
function codeOf(thrown: unknown): string {
  if (typeof thrown !== 'object' || thrown === null) return ''
  if ('code' in thrown && typeof thrown.code === 'string') return thrown.code
  if (thrown instanceof AggregateError) return codeOf(thrown.errors[0])
  return 'cause' in thrown ? codeOf(thrown.cause) : ''
}
