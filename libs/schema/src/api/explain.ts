import { z } from 'zod'

/** A packet in question. Ends are NICs (`web-1`, `web-1/eth0`, `web-1.eth0`) or addresses. */
export const packetQuestion = z
  .strictObject({
    from: z.string().min(1),
    to: z.string().min(1),
    family: z
      .enum(['ipv4', 'ipv6'])
      .optional()
      .meta({ description: 'Absent: of the addresses, else ipv4.' }),
    protocol: z.union([z.enum(['tcp', 'udp', 'sctp', 'icmp']), z.number().int().min(0).max(255)]),
    sourcePort: z.number().int().min(0).max(65_535).optional(),
    destinationPort: z.number().int().min(0).max(65_535).optional(),
    icmpType: z.number().int().min(0).max(255).optional(),
    icmpCode: z.number().int().min(0).max(255).optional(),
    state: z.enum(['new', 'established']).default('new'),
  })
  .meta({ id: 'PacketQuestion' })
export type PacketQuestion = z.input<typeof packetQuestion>

const decidedBy = z.strictObject({
  type: z.enum(['rule', 'members', 'default', 'unfiltered', 'established', 'builtIn']),
  group: z.string().optional(),
  priority: z
    .number()
    .int()
    .optional()
    .meta({ description: 'Position in the group’s list, from 0.' }),
})

const walkStep = z.strictObject({
  group: z.string(),
  priority: z.union([z.number().int(), z.literal('members')]),
  matched: z.boolean(),
  why: z.string().meta({ description: 'Why it matched, or the first thing that did not.' }),
})

const endVerdict = z.strictObject({
  nic: z.string().meta({ example: 'web-1/eth0' }),
  direction: z.enum(['inbound', 'outbound']),
  verdict: z.enum(['allow', 'deny']),
  decidedBy,
  walk: z.array(walkStep),
})

/** The verdict and the walk through the lists of both ends. */
export const packetExplanation = z
  .strictObject({
    verdict: z.enum(['allow', 'deny']),
    decidedBy: decidedBy.extend({
      nic: z.string().optional(),
      direction: z.enum(['inbound', 'outbound']).optional(),
    }),
    ends: z.array(endVerdict),
    sentence: z.string(),
  })
  .meta({ id: 'PacketExplanation' })
export type PacketExplanation = z.infer<typeof packetExplanation>
