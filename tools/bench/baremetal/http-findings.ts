import { z } from 'zod'

/** What one server came to in one round. */
const round = z.strictObject({
  mibPerSecond: z.number(),
  /** Processor time of the server for a GiB, seconds. */
  cpuSecondsPerGib: z.number(),
})
export type HttpRound = z.infer<typeof round>

/** Rounds of both servers in the order in which they were measured, and the most memory that ours
 *  held at the end of one. */
export const httpFindings = z.strictObject({
  clients: z.number(),
  fileMib: z.number(),
  ours: z.array(round),
  nginx: z.array(round),
  residentMib: z.number(),
})
export type HttpFindings = z.infer<typeof httpFindings>
