import { Agent, type Dispatcher } from 'undici'

/** Where the agent listens: its unix socket, or its loopback address with a token. */
export type ClientTarget =
  | { readonly socketPath: string }
  | { readonly url: string; readonly token?: string }

/** Where the agent of this host listens unless it was told otherwise. */
export const DEFAULT_SOCKET_PATH = '/run/purlin/host-agent.sock'

/** An open way to an agent. */
export interface Connection {
  readonly dispatcher: Dispatcher
  readonly origin: string
  readonly headers: Readonly<Record<string, string>>
  /** The unix socket, where it is one. */
  readonly socketPath?: string
  /** The way as people know it, for messages. */
  readonly title: string
}

const CONNECT_TIMEOUT_MS = 5_000

/** Makes the connection pool of a target; nothing is sent yet. */
export function connect(target: ClientTarget): Connection {
  if ('socketPath' in target) {
    return {
      dispatcher: new Agent({
        connect: { socketPath: target.socketPath, timeout: CONNECT_TIMEOUT_MS },
      }),
      origin: 'http://localhost',
      socketPath: target.socketPath,
      headers: {},
      title: target.socketPath,
    }
  }
  return {
    dispatcher: new Agent({ connect: { timeout: CONNECT_TIMEOUT_MS } }),
    origin: target.url.replace(/\/+$/, ''),
    headers: target.token === undefined ? {} : { authorization: `Bearer ${target.token}` },
    title: target.url,
  }
}
