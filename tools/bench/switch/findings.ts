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
    count: z.number(),
    madeMs: z.number(),
    lookMs: z.number(),
    removedMs: z.number(),
    left: z.number(),
  }),
  throughput: z.array(
    z.object({ path: z.string(), megabitPerSecond: z.number(), cpuPercent: z.number() }),
  ),
})
export type SwitchFindings = z.infer<typeof switchFindings>
