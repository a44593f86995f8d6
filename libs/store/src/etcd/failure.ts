import { PurlinError } from '@purlin/base'

/** Codes of gRPC (https://grpc.github.io/grpc/core/md_doc_statuscodes.html). */
export const grpc = {
  invalid: 3,
  deadline: 4,
  missing: 5,
  exhausted: 8,
  precondition: 9,
  outOfRange: 11,
  unavailable: 14,
} as const

/** A call of a member that did not give its answer. */
export class MemberFailure extends Error {
  override readonly name = 'MemberFailure'
  /** What gRPC calls it; 0: the call never came that far. */
  readonly grpcCode: number
  /** Whether another member, or this one later, may answer. */
  readonly passing: boolean
  /** Whether it is certain that nothing was done. */
  readonly undone: boolean

  constructor(
    message: string,
    options: {
      readonly grpcCode?: number
      readonly passing: boolean
      readonly undone: boolean
      readonly cause?: unknown
    },
  ) {
    super(message, { cause: options.cause })
    this.grpcCode = options.grpcCode ?? 0
    this.passing = options.passing
    this.undone = options.undone
  }
}

/** What a member says when it has no leader, or too much to do; nothing was begun then. */
const REFUSED = /no leader|not capable|too many requests|not start|is stopped|learner/
const PASSING = /no leader|leader changed|timed out|connection|stopped|too many requests|learner/

/** The failure that an error answer of the gateway is. Pure. */
export function answeredFailure(status: number, text: string): MemberFailure {
  const { code = 0, message } = errorIn(text)
  const said = message ?? `HTTP ${status}: ${text.slice(0, 200)}`
  const passing =
    code === grpc.unavailable ||
    code === grpc.deadline ||
    PASSING.test(said) ||
    message === undefined
  return new MemberFailure(said, { grpcCode: code, passing, undone: REFUSED.test(said) })
}

/** The typed error of a failure that another try does not mend. Pure. */
export function storeError(doing: string, failure: MemberFailure): PurlinError {
  const said = failure.message
  const cause = failure
  if (/compacted|future revision/.test(said)) {
    const message = `${doing}: ${said}; list again and go on from there`
    return new PurlinError('PUR_STORE_COMPACTED', { message, cause })
  }
  if (/lease not found/.test(said)) {
    const message = `${doing}: the lease has ended or was never granted; ask for a new one`
    return new PurlinError('PUR_STORE_LEASE_GONE', { message, cause })
  }
  if (/space exceeded/.test(said)) {
    const message = `${doing}: etcd’s space is used up; nothing was changed. Compact and defragment it, disarm the alarm, or raise --quota-backend-bytes`
    return new PurlinError('PUR_STORE_FULL', { message, cause })
  }
  if (/too large|too many operations|larger than max/.test(said)) {
    const message = `${doing}: more than etcd takes in one transaction (${said}); nothing was changed. Change less at once, or raise --max-request-bytes of every member`
    return new PurlinError('PUR_STORE_TOO_LARGE', { message, cause })
  }
  return new PurlinError('PUR_STORE_FAILED', { message: `${doing}: etcd: ${said}`, cause })
}

function errorIn(text: string): { code?: number; message?: string } {
  try {
    const found = JSON.parse(text) as Record<string, unknown>
    const inner = (typeof found.error === 'object' ? found.error : found) as Record<string, unknown>
    const message = inner.message ?? inner.error
    const code = inner.code ?? inner.grpc_code
    return {
      ...(typeof code === 'number' && { code }),
      ...(typeof message === 'string' && { message }),
    }
  } catch {
    return {}
  }
}
