import type { z } from 'zod'
import type { Role } from './host.ts'

/** One call of the REST API. `answer` absent: the body is not JSON (`answerType` says what it
 *  is). */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly summary: string
  /** The least role that may call it; null: no token is asked for. */
  readonly role: Role | null
  /** 101: the connection is a WebSocket from then on. */
  readonly status: 101 | 200 | 202
  /** Another status that comes with the same answer. */
  readonly otherStatus?: 503
  readonly query?: z.ZodObject
  readonly body?: z.ZodType
  readonly bodyType?: string
  /** The body is as long as it likes and is read as it comes; needs a `bodyType`. */
  readonly streamed?: true
  readonly answer?: z.ZodType
  readonly answerType?: string
}
