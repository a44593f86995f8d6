import { type ErrorCode, errorCatalogue, httpStatusOfKind } from './catalogue.ts'

/** One thing wrong with an input: where (`spec.inbound[0].ports`, indices from 0) and what. */
export interface Problem {
  /** Index of the document in a request or manifest, from 0; absent where there is only one. */
  readonly document?: number
  /** Line of a file that was sent as a text, from 1. */
  readonly line?: number
  readonly path: string
  readonly message: string
}

/** Body of an error answer (RFC 9457, `application/problem+json`). */
export interface ProblemDocument {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  readonly problems?: readonly Problem[]
  readonly context?: Readonly<Record<string, unknown>>
}

export interface PurlinErrorOptions {
  /** What was tried, on what, what was found, what to do. */
  readonly message: string
  readonly problems?: readonly Problem[]
  /** Typed values of the error, safe to show: never a secret. */
  readonly context?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/** The one error type that crosses Purlin's boundaries; `code` is from the catalogue. */
export class PurlinError extends Error {
  override readonly name = 'PurlinError'
  readonly code: ErrorCode
  readonly problems: readonly Problem[]
  readonly context: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, options: PurlinErrorOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.problems = options.problems ?? []
    this.context = options.context ?? {}
  }

  /** The answer's body for this error. */
  toProblem(): ProblemDocument {
    const entry = errorCatalogue[this.code]
    return {
      type: `urn:purlin:error:${this.code}`,
      title: entry.meaning,
      status: httpStatusOfKind[entry.kind],
      detail: this.message,
      code: this.code,
      ...(this.problems.length > 0 && { problems: this.problems }),
      ...(Object.keys(this.context).length > 0 && { context: this.context }),
    }
  }
}

/** Makes a PurlinError of anything thrown; what is not one already is a fault of ours. */
export function toPurlinError(thrown: unknown): PurlinError {
  if (thrown instanceof PurlinError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new PurlinError('PUR_INTERNAL', { message, cause: thrown })
}
