import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { bmcError, type ErrorSubject } from '../bmc-error.ts'
import { readBody, refusalOf } from './body.ts'

/** How a BMC is known. `sha256` is of its certificate: 64 hexadecimal digits, colons or not;
 *  `certificates` are of authorities (PEM), and the BMC's own must be for its address. `none` is
 *  plain HTTP, for simulators on this machine. */
export type RedfishTrust =
  | { readonly by: 'pin'; readonly sha256: string }
  | { readonly by: 'authority'; readonly certificates: string }
  | { readonly by: 'none' }

export interface RedfishConnectionOptions {
  readonly subject: ErrorSubject
  readonly port: number
  readonly trust: RedfishTrust
  readonly username: string
  readonly password: string
  /** Of connecting, and of each answer. */
  readonly commandTimeoutMs: number
}

export interface RedfishRequest {
  readonly method: 'GET' | 'PATCH' | 'POST'
  readonly path: string
  readonly body?: object
  /** The resource as it was read: changed only when it is that still. */
  readonly ifMatch?: string | undefined
  /** What it is for, in the sentence of an error. */
  readonly what: string
  readonly signal: AbortSignal
}

export interface RedfishAnswer {
  readonly resource: unknown
  readonly etag?: string
}

/** Requests to one BMC, each over a connection of its own: few BMCs keep one well. */
export class RedfishConnection {
  readonly #options: RedfishConnectionOptions

  constructor(options: RedfishConnectionOptions) {
    this.#options = options
  }

  get subject(): ErrorSubject {
    return this.#options.subject
  }

  /** Sends a request once the BMC is known to be the right one. Errors: those of `Bmc`. */
  async send(request: RedfishRequest): Promise<RedfishAnswer> {
    const { subject, commandTimeoutMs } = this.#options
    const socket = await this.#connect(request)
    const signal = AbortSignal.any([request.signal, AbortSignal.timeout(commandTimeoutMs)])
    try {
      const response = await this.#exchange(socket, request, signal)
      const body = await readBody(response)
      const status = response.statusCode ?? 0
      const failure = refusalOf(status, body)
      if (failure !== undefined) {
        throw bmcError(failure.code, subject, request.what, failure.found)
      }
      const { etag } = response.headers
      return { resource: body.resource, ...(etag !== undefined && { etag }) }
    } catch (thrown) {
      if (request.signal.aborted) throw request.signal.reason
      throw isTyped(thrown) ? thrown : this.#broken(request, thrown, signal.aborted)
    } finally {
      socket.destroy()
    }
  }

  async #exchange(
    socket: Socket,
    { method, path, body, ifMatch }: RedfishRequest,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { subject, port, username, password } = this.#options
    const host = isIP(subject.address) === 6 ? `[${subject.address}]` : subject.address
    const text = body === undefined ? undefined : JSON.stringify(body)
    const credentials = Buffer.from(`${username}:${password}`).toString('base64')
    const outgoing = httpRequest({
      createConnection: () => socket,
      method,
      path,
      signal,
      maxHeaderSize: 16 * 1024,
      headers: {
        host: `${host}:${port}`,
        accept: 'application/json',
        authorization: `Basic ${credentials}`,
        connection: 'close',
        'odata-version': '4.0',
        ...(ifMatch !== undefined && { 'if-match': ifMatch }),
        ...(text !== undefined && {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
        }),
      },
    })
    outgoing.end(text)
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    return response
  }

  /** A connection to the BMC that is meant; nothing of ours has gone over it. */
  async #connect({ what, signal }: RedfishRequest): Promise<Socket> {
    const { subject, port, trust, commandTimeoutMs } = this.#options
    const host = subject.address
    const until = AbortSignal.any([signal, AbortSignal.timeout(commandTimeoutMs)])
    const socket =
      trust.by === 'none'
        ? connectPlain({ host, port })
        : connectTls({
            host,
            port,
            ...(isIP(host) === 0 && { servername: host }),
            ...(trust.by === 'pin' ? { rejectUnauthorized: false } : { ca: trust.certificates }),
          })
    try {
      await once(socket, trust.by === 'none' ? 'connect' : 'secureConnect', { signal: until })
    } catch (thrown) {
      socket.destroy()
      if (signal.aborted) throw signal.reason
      const found = until.aborted ? `no answer within ${commandTimeoutMs} ms` : sentenceOf(thrown)
      const code = isOfCertificate(thrown) ? 'PUR_BMC_CERTIFICATE' : 'PUR_BMC_UNREACHABLE'
      throw bmcError(code, subject, what, found, thrown)
    }
    socket.on('error', () => {}) // It is told by the request that uses it.
    if (trust.by === 'pin') {
      const found = digits((socket as TLSSocket).getPeerCertificate().fingerprint256 ?? '')
      if (found !== digits(trust.sha256)) {
        socket.destroy()
        throw bmcError('PUR_BMC_CERTIFICATE', subject, what, `its certificate has SHA-256 ${found}`)
      }
    }
    return socket
  }

  #broken({ what }: RedfishRequest, thrown: unknown, late: boolean): Error {
    const { subject, commandTimeoutMs } = this.#options
    const found = late ? `no answer within ${commandTimeoutMs} ms` : sentenceOf(thrown)
    return bmcError('PUR_BMC_NO_ANSWER', subject, what, found, thrown)
  }
}

function isTyped(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === 'PurlinError'
}

/** OpenSSL's and Node's names of what is wrong with a certificate, not with the connection. */
function isOfCertificate(thrown: unknown): boolean {
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
  return /CERT|ISSUER|SELF_SIGNED|ALTNAME/.test(code)
}

function sentenceOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

function digits(fingerprint: string): string {
  return fingerprint.replaceAll(':', '').toLowerCase()
}
