import { z } from 'zod'

/** Seconds from the power-on of the chassis, by the daemon's own record. */
export const roadFindings = z.strictObject({
  installs: z.enum(['image', 'media']),
  /** From the first power-on to the discovery report. */
  reportSeconds: z.number(),
  /** From the preparation of the installation, before any power-on, to the banner of its SSH
   *  server. */
  sshSeconds: z.number(),
  states: z.array(z.strictObject({ state: z.string(), seconds: z.number() })),
})
export type RoadFindings = z.infer<typeof roadFindings>

export const bmcFindings = z.strictObject({
  calls: z.array(
    z.strictObject({
      call: z.string(),
      count: z.number(),
      p50Ms: z.number(),
      p95Ms: z.number(),
    }),
  ),
})
export type BmcFindings = z.infer<typeof bmcFindings>

export const memoryFindings = z.strictObject({
  chassis: z.number(),
  emptyMiB: z.number(),
  enrolledMiB: z.number(),
  polledMiB: z.number(),
  /** Power answers of the BMC in a minute of polling. */
  answersAMinute: z.number(),
  /** Processor time of the daemon and its ipmitools in that minute, seconds. */
  cpuSeconds: z.number(),
  /** The longest of twenty listings of all chassis beside the polling. */
  longestListMs: z.number(),
})
export type MemoryFindings = z.infer<typeof memoryFindings>
