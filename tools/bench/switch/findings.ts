import { z } from 'zod'

const summary = z.object({
  count: z.number(),
  p50: z.number(),
  p99: z.number(),
  largest: z.number(),
})

/** What the benchmark of the switch found; times in milliseconds. */
export const switchFindings = z.object({
  machine: z.string(),
  transactions: z.array(
    z.object({
      what: z.string(),
      purlin: summary,
      purlinCpuMs: z.number(),
      vsctl: summary,
      vsctlCpuMs: z.number(),
    }),
  ),
  ports: z.object({
    rounds: z.number(),
    sides: z.array(
      z.object({
        who: z.string(),
        count: z.number(),
        madeMs: z.number(),
        removedMs: z.number(),
      }),
    ),
    lookMs: z.number(),
  }),
  throughput: z.array(
    z.object({ path: z.string(), megabitPerSecond: z.number(), cpuPercent: z.number() }),
  ),
  /** From the call on one host to the rules of another. */
  membership: summary,
})
export type SwitchFindings = z.infer<typeof switchFindings>
