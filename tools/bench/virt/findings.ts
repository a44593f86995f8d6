import { z } from 'zod'

/** What one way of looking at all domains took in one round, for one look. */
const look = z.strictObject({
  ms: z.number(),
  /** Processor time of who looks. */
  cpuMs: z.number(),
  /** Processor time of libvirtd meanwhile. */
  daemonCpuMs: z.number(),
})
export type Look = z.infer<typeof look>

/** Looks at the same domains, one way after the other, round by round. */
const set = z.strictObject({
  name: z.string(),
  domains: z.number(),
  looksARound: z.number(),
  /** `virsh domstats` in a virsh that stays. */
  virsh: z.array(look),
  /** Our counters of all active domains. */
  counters: z.array(look),
  /** Everything the lane reads: each domain with its XML, interpreted, and its counters. */
  observe: z.array(look),
  /** What virsh takes for as much: domstats, and state and XML of each domain. */
  virshAll: z.array(look),
})
export type ObserveSet = z.infer<typeof set>

const agent = z.strictObject({
  machines: z.number(),
  seconds: z.number(),
  cpuMs: z.number(),
  residentMiB: z.number(),
})

export const observeFindings = z.strictObject({ sets: z.array(set), agent })
export type ObserveFindings = z.infer<typeof observeFindings>
