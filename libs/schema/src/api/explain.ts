import { z } from 'zod'
import { inboundRule, outboundRule } from '../resources/security-group.ts'

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
  type: z.enum([
    'rule',
    'members',
    'default',
    'unfiltered',
    'established',
    'builtIn',
    'unreachable',
  ]),
  group: z.string().optional(),
  priority: z
    .number()
    .int()
    .optional()
    .meta({ description: 'Position in the group’s list, from 0.' }),
  id: z.string().optional().meta({ description: 'The rule’s own id.' }),
})

const walkStep = z.strictObject({
  group: z.string(),
  priority: z.union([z.number().int(), z.literal('members')]),
  id: z.string().optional(),
  matched: z.boolean(),
  why: z.string().meta({ description: 'Why it matched, or the first thing that did not.' }),
})

const traceStep = z.strictObject({
  table: z.string().meta({ example: 'inet purlin' }),
  chain: z.string(),
  rule: z
    .string()
    .optional()
    .meta({ description: 'Its comment, else its handle; absent: the end of the chain.' }),
  verdict: z.string().meta({ example: 'jump list-1f0c2a9b_0' }),
})

/** What the kernel did with one such packet at an end, told by its own trace. */
const liveEnd = z.discriminatedUnion('traced', [
  z.strictObject({
    traced: z.literal(true),
    verdict: z.enum(['allow', 'deny']),
    decidedBy: z
      .strictObject({ table: z.string(), chain: z.string(), rule: z.string().optional() })
      .meta({ description: 'Empty names: it passed, and no list of ours was asked.' }),
    agrees: z.boolean().meta({ description: 'Whether verdict and deciding rule are the same.' }),
    trace: z.array(traceStep),
  }),
  z.strictObject({
    traced: z.literal(false),
    reason: z.string(),
    trace: z.array(traceStep),
  }),
])

/** What the kernel did with one such packet in the gateways and the router of the sender's host. */
const liveCrossing = z.discriminatedUnion('traced', [
  z.strictObject({
    traced: z.literal(true),
    verdict: z.enum(['allow', 'deny']),
    agrees: z.boolean().meta({ description: 'Whether the way that is told says the same.' }),
    hops: z.array(
      z.strictObject({
        by: z.enum(['gateway', 'router']),
        name: z.string().meta({ description: 'Of the port group or the router.' }),
        outcome: z.enum(['passed', 'dropped', 'taken', 'lost', 'unseen']).meta({
          description:
            'passed: it left by the device; taken: it was for the namespace itself; lost: it came in and there was no way on; unseen: it did not come in.',
        }),
        rule: z.string().optional().meta({ description: 'Which dropped it.' }),
        device: z.string().optional(),
        packet: z.string().optional().meta({ description: 'From what to what, as it left.' }),
      }),
    ),
  }),
  z.strictObject({ traced: z.literal(false), reason: z.string() }),
])

const endVerdict = z.strictObject({
  nic: z.string().meta({ example: 'web-1/eth0' }),
  direction: z.enum(['inbound', 'outbound']),
  verdict: z.enum(['allow', 'deny']),
  decidedBy,
  walk: z.array(walkStep),
  live: liveEnd.optional().meta({ description: 'Present where a packet was sent.' }),
})

/** One change of a group that helps to let a packet pass. */
export const policyChange = z
  .strictObject({
    action: z.enum([
      'insertRule',
      'enableRule',
      'disableRule',
      'moveRule',
      'enableMembersRule',
      'addGroup',
    ]),
    nic: z.string().meta({ description: 'The NIC whose list denies.' }),
    direction: z.enum(['inbound', 'outbound']),
    group: z.string().meta({ description: 'Of addGroup: a name that is free.' }),
    priority: z.number().int().optional().meta({
      description: 'Where the rule is inserted, or stands now.',
    }),
    id: z.string().optional().meta({ description: 'The id of the rule that stands there now.' }),
    toPriority: z.number().int().optional().meta({ description: 'Where the rule is moved to.' }),
    rule: z.union([inboundRule, outboundRule]).optional(),
    alsoAllows: z.array(z.string()).meta({
      description: 'Other NICs of the group that such packets then reach or leave.',
    }),
    sentence: z.string(),
  })
  .meta({ id: 'PolicyChange' })
export type PolicyChange = z.infer<typeof policyChange>

/** The verdict and the walk through the lists of both ends. */
export const packetExplanation = z
  .strictObject({
    verdict: z.enum(['allow', 'deny']),
    decidedBy: decidedBy.extend({
      nic: z.string().optional(),
      direction: z.enum(['inbound', 'outbound']).optional(),
    }),
    ends: z.array(endVerdict),
    smallestChange: z
      .array(policyChange)
      .optional()
      .meta({ description: 'Of a denied packet: what lets it pass and as little else as can be.' }),
    sentence: z.string(),
    path: z
      .strictObject({
        reached: z.enum(['yes', 'no', 'unknown']),
        hops: z.array(
          z.strictObject({
            by: z.enum(['switch', 'gateway', 'router', 'translation', 'outside']),
            sentence: z.string(),
          }),
        ),
      })
      .optional()
      .meta({ description: 'The way of the packet, where it leaves its network.' }),
    live: z
      .strictObject({
        outcome: z.enum(['agrees', 'disagrees', 'untraced']).meta({
          description: 'Of all ends; untraced: at a NIC of this host the kernel was not heard.',
        }),
        untraced: z.array(z.strictObject({ end: z.string(), reason: z.string() })),
        crossing: liveCrossing.optional().meta({
          description: 'Present where the packet leaves its network.',
        }),
      })
      .optional()
      .meta({ description: 'Present where a packet was sent.' }),
  })
  .meta({ id: 'PacketExplanation' })
export type PacketExplanation = z.infer<typeof packetExplanation>

/** The short answer to a question of a batch. */
export const packetVerdict = z
  .strictObject({
    verdict: z.enum(['allow', 'deny']),
    decidedBy: packetExplanation.shape.decidedBy,
  })
  .meta({ id: 'PacketVerdict' })
export type PacketVerdict = z.infer<typeof packetVerdict>
