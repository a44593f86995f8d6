import { type Clock, systemClock } from './clock.ts'
import { PurlinError } from './errors/purlin-error.ts'

/** Runs `work` with a signal that is aborted after `deadlineMs` or with `outer`, whichever is
 *  first. The returned promise settles at the deadline even when `work` ignores its signal: a stuck
 *  call is abandoned, it cannot hold its caller. Errors: PUR_DEADLINE_PASSED, PUR_CANCELLED, or
 *  `work`'s own. */
export async function withDeadline<Value>(
  what: string,
  deadlineMs: number,
  work: (signal: AbortSignal) => Promise<Value>,
  outer?: AbortSignal,
  clock: Clock = systemClock,
): Promise<Value> {
  const controller = new AbortController()
  const timer = new AbortController()
  return await new Promise<Value>((resolve, reject) => {
    const settle = (): void => {
      timer.abort()
      outer?.removeEventListener('abort', cancelled)
    }
    const stop = (error: PurlinError): void => {
      settle()
      controller.abort(error)
      reject(error)
    }
    const cancelled = (): void =>
      stop(new PurlinError('PUR_CANCELLED', { message: `${what}: given up by the caller` }))
    if (outer?.aborted === true) {
      cancelled()
      return
    }
    outer?.addEventListener('abort', cancelled, { once: true })
    const passed = (): void =>
      stop(
        new PurlinError('PUR_DEADLINE_PASSED', {
          message: `${what}: no answer within ${deadlineMs} ms`,
          context: { deadlineMs },
        }),
      )
    clock.sleep(deadlineMs, timer.signal).then(passed, () => {})
    // The extra function turns a synchronous throw of `work` into a rejection, so the timer ends
    // too.
    const call = async (): Promise<Value> => await work(controller.signal)
    call().then(resolve, reject).finally(settle)
  })
}
