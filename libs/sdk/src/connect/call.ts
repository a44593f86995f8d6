import type { Readable } from 'node:stream'

/** What every call of the client takes. */
export interface CallOptions {
  /** Milliseconds until the call is given up with PUR_DEADLINE_PASSED, retries included. */
  readonly deadlineMs?: number
  readonly signal?: AbortSignal
  /** How often the call is tried while the agent cannot be reached or is unavailable; 1: no
   *  retry. */
  readonly attempts?: number
}

/** What every call that changes something takes. */
export interface MutationOptions extends CallOptions {
  /** Two calls with the same key are carried out once; made up by the client when absent. */
  readonly idempotencyKey?: string
}

/** Options of a change that may insist on the revision the caller saw. */
export interface RevisionOptions extends MutationOptions {
  /** The change is refused with PUR_RESOURCE_REVISION when the resource has another revision. */
  readonly ifRevision?: number
}

/** One call of the REST API, ready to be sent as often as its retries ask. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string | number>>
  readonly headers?: Readonly<Record<string, string>>
  /** Makes the body anew for each attempt. */
  readonly body?: () => string | Readable
  readonly bodyType?: string
  /** Statuses besides 200 to 299 whose body is an answer. */
  readonly acceptedStatuses?: readonly number[]
  /** Milliseconds without a byte of the body after which the connection counts as lost. */
  readonly silenceMs?: number
  readonly options?: CallOptions | undefined
}

/** A path of the operations table with its `:parts` filled in. */
export function fillPath(path: string, parts: Readonly<Record<string, string>>): string {
  return path.replace(/:([a-zA-Z]+)/g, (whole, part: string) => {
    const text = parts[part]
    return text === undefined ? whole : encodeURIComponent(text)
  })
}
