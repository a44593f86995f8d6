import { z } from 'zod'

const summary = z.object({
  count: z.number(),
  p50: z.number(),
  p99: z.number(),
  largest: z.number(),
})

/** What the first packet of a flow that no rule matches costs on a whole NIC path. */
const firstPacketRow = z.object({
  side: z.string(),
  nics: z.number(),
  /** Rules of each NIC. */
  rules: z.number(),
  /** Median of the rounds, CPU nanoseconds a packet. */
  cpuNs: z.number(),
  smallestNs: z.number(),
})
export type FirstPacketRow = z.infer<typeof firstPacketRow>

/** What a change costs on a host of 100 NICs with 100 rules each. */
const commitRow = z.object({
  change: z.enum(['cold load', 'one rule', 'one member']),
  side: z.string(),
  /** Milliseconds until the new rules decide. */
  wall: summary,
  /** Milliseconds after that, until what they replaced is gone, is read back, and connections that
   *  they refuse are ended. */
  settled: summary.optional(),
  /** CPU time of the side's own process and of those it started, a change. */
  cpuMs: z.number(),
})
export type CommitRow = z.infer<typeof commitRow>

/** TCP through a NIC's path once its first packet was let in: what an established flow gets. */
const throughputRow = z.object({
  side: z.string(),
  rules: z.number(),
  gigabitPerSecond: z.number(),
  /** Sender and receiver together, in percent of one core; the path's own work is charged to
   *  whoever sends. */
  cpuPercent: z.number(),
})
export type ThroughputRow = z.infer<typeof throughputRow>

/** Everything that `./purlin bench netfilter` found. */
export const netfilterFindings = z.object({
  machine: z.string(),
  firstPacket: z.array(firstPacketRow).readonly(),
  commits: z.array(commitRow).readonly(),
  throughput: z.array(throughputRow).readonly(),
})
export type NetfilterFindings = z.infer<typeof netfilterFindings>
