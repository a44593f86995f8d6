import { z } from 'zod'

/** What one side came to in one round. */
const round = z.strictObject({
  answers: z.number(),
  perSecond: z.number(),
  p50Ms: z.number(),
  p99Ms: z.number(),
  lost: z.number(),
  wrong: z.number(),
  /** Processor time of the server for an answer, microseconds. */
  cpuMicroseconds: z.number(),
})
export type ServiceRound = z.infer<typeof round>

/** Rounds of both sides in the order in which they were measured; the third has its reservations
 *  changed four times a second. */
export const serviceFindings = z.strictObject({
  reservations: z.number(),
  slots: z.number(),
  ours: z.array(round),
  plain: z.array(round),
  changing: z.array(round),
})
export type ServiceFindings = z.infer<typeof serviceFindings>
