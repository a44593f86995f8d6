const FIRST_MS = 100

/** The wait after the so manieth failure in a row (from 1): doubles each time, at most `maxMs`.
 *  Pure. */
export function backoffMs(failures: number, maxMs: number): number {
  return Math.min(maxMs, FIRST_MS * 2 ** Math.min(failures - 1, 30))
}
