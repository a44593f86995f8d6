import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Role } from '@purlin/schema'
import type { Tokens } from './auth.ts'
import { cameByNetwork } from './network-sockets.ts'

/** Who calls, as far as it is proved. */
export interface Caller {
  /** As people know them, such as `token ci`. */
  readonly name: string
  readonly role: Role
}

/** By what a caller is known. */
export interface CallerGrounds {
  readonly tokens: Pick<Tokens, 'holderOf'>
  /** What the other end of a connection proved to be, beside a token; undefined: nothing. */
  readonly provenRole?: ((socket: Socket) => Role | undefined) | undefined
}

/** Who sends a request. A unix socket has no peer address: its mode and group decided already who
 *  may call. */
export function callerOf(
  { socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>,
  { tokens, provenRole }: CallerGrounds,
): Caller | undefined {
  const proven = provenRole?.(socket)
  if (proven !== undefined) return { name: 'a host of the fleet', role: proven }
  if (!cameByNetwork(socket)) return { name: 'the unix socket', role: 'admin' }
  const bearer = /^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1]
  const holder = bearer === undefined ? undefined : tokens.holderOf(bearer)
  return holder && { name: `token ${holder.name}`, role: holder.role }
}
