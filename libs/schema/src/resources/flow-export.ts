import { z } from 'zod'

/** `ADDRESS:PORT` or `[ADDRESS]:PORT` of a collector. */
const collector = z
  .string()
  .regex(/^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:]+\]):\d{1,5}$/, 'must be ADDRESS:PORT')
  .meta({ example: '192.0.2.50:6343' })

/** What Open vSwitch itself tells of traffic to collectors elsewhere. */
export const flowExport = z
  .strictObject({
    protocol: z.enum(['sflow', 'ipfix']),
    collectors: z.array(collector).min(1).max(8),
    sampling: z.number().int().min(1).max(1_000_000).default(1_000).meta({
      description: 'One packet of so many is told of.',
    }),
    counterSeconds: z.number().int().min(1).max(3_600).default(30).meta({
      description: 'sFlow: how often counters are sent. IPFIX: how long a flow is kept at most.',
    }),
  })
  .meta({ id: 'FlowExport' })
export type FlowExport = z.infer<typeof flowExport>
