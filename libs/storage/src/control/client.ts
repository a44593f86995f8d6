import { type ErrorCode, errorEntry, exchangeLine, PurlinError, withDeadline } from '@purlin/base'
import {
  answerLine,
  CONTROL_VERSION,
  type ControlCalls,
  type DaemonStatus,
  daemonStatus,
} from './messages.ts'

export interface CallOptions {
  readonly deadlineMs: number
  readonly signal?: AbortSignal
}

/** The control socket of a block daemon. Every call has a connection of its own: the daemon may be
 *  replaced between two calls, and then the next one finds its successor. */
export interface ControlClient {
  /** Errors: PUR_BLOCK_UNREACHABLE, PUR_BLOCK_CONTROL_VERSION, PUR_DEADLINE_PASSED,
   *  PUR_CANCELLED, those that the daemon answers with. */
  call<Name extends keyof ControlCalls>(
    name: Name,
    words: ControlCalls[Name],
    options: CallOptions,
  ): Promise<unknown>
  /** How the daemon and its pools are. Errors: those of `call`, PUR_BLOCK_ANSWER. */
  status(options: CallOptions): Promise<DaemonStatus>
}

/** Makes the client of the daemon at a unix socket. It connects when it is used. */
export function createControlClient(socketPath: string): ControlClient {
  let lastIdentifier = 0
  const errors = {
    unreachable: (found: string) => unreachable(socketPath, found),
    badAnswer: (found: string) => badAnswer(socketPath, found),
  }
  const call: ControlClient['call'] = async (name, words, { deadlineMs, signal }) => {
    const id = ++lastIdentifier
    const request = {
      version: CONTROL_VERSION,
      id,
      call: name,
      ...(words !== undefined && { arguments: words }),
    }
    const line = await withDeadline(
      `${name} on ${socketPath}`,
      deadlineMs,
      (until) => exchangeLine(socketPath, JSON.stringify(request), errors, until),
      signal,
    )
    return resultOf(socketPath, name, id, line)
  }
  return {
    call,
    status: async (options) => {
      const parsed = daemonStatus.safeParse(await call('status', undefined, options))
      if (parsed.success) return parsed.data
      const [issue] = parsed.error.issues
      const found = `${issue?.path.join('.')}: ${issue?.message}`
      throw badAnswer(socketPath, `its status is not as expected: ${found}`)
    },
  }
}

function resultOf(path: string, name: string, id: number, line: string): unknown {
  let words: unknown
  try {
    words = JSON.parse(line)
  } catch {
    throw badAnswer(path, `its answer to ${name} is no JSON`)
  }
  const parsed = answerLine.safeParse(words)
  if (!parsed.success) throw badAnswer(path, `its answer to ${name} is none of this protocol`)
  const { version, error, result } = parsed.data
  if (version !== CONTROL_VERSION) {
    throw new PurlinError('PUR_BLOCK_CONTROL_VERSION', {
      message: `${path}: the block daemon speaks version ${version} and this program ${CONTROL_VERSION}; bring both to one release`,
    })
  }
  if (error !== undefined) {
    const known = error.code.startsWith('PUR_') && errorEntry(error.code) !== undefined
    const code = known ? (error.code as ErrorCode) : 'PUR_BLOCK_REFUSED'
    throw new PurlinError(code, { message: `${name}: ${error.message}` })
  }
  if (parsed.data.id !== id) throw badAnswer(path, `it answered call ${parsed.data.id}, not ${id}`)
  return result
}

/** The daemon cannot be talked to. */
export function unreachable(path: string, found: string): PurlinError {
  return new PurlinError('PUR_BLOCK_UNREACHABLE', {
    message: `no block daemon answers at ${path}: ${found}; start purlin-blockd`,
  })
}

function badAnswer(path: string, found: string): PurlinError {
  return new PurlinError('PUR_BLOCK_ANSWER', { message: `block daemon at ${path}: ${found}` })
}
