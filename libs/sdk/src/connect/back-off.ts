import type { RandomBytes } from '@purlin/base'

/** A growing pause between attempts. */
export interface BackOff {
  readonly firstMs: number
  readonly longestMs: number
}

/** The pause after the failed attempt number `attempt` (from 0): doubled each time up to the
 *  longest, then shortened by up to half at random, so that many clients do not return in step.
 *  Pure. */
export function pauseMs({ firstMs, longestMs }: BackOff, attempt: number, random: RandomBytes) {
  const wholeMs = Math.min(longestMs, firstMs * 2 ** attempt)
  const [byte = 0] = random(1)
  return Math.round(wholeMs * (1 - byte / 512))
}
