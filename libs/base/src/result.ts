/** The outcome of an operation whose failure is expected: a value, or a typed error. */
export type Result<Value, Failure> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly error: Failure }

/** A successful result. */
export function success<Value>(value: Value): Result<Value, never> {
  return { ok: true, value }
}

/** A failed result. */
export function failure<Failure>(error: Failure): Result<never, Failure> {
  return { ok: false, error }
}
