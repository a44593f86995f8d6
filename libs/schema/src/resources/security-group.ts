import { parseAddress, parseCidr } from '@purlin/base'
import { z } from 'zod'
import { addressSpan, cidr, ipAddress, portSpan } from '../fields/addresses.ts'
import { resourceName } from '../fields/names.ts'
import { manifestOf } from './envelope.ts'

/** The other end of a rule; the fields add up, and an absent peer means anyone. */
export const rulePeer = z
  .strictObject({
    cidrs: z.array(cidr).default([]),
    addresses: z.array(ipAddress).default([]),
    ranges: z.array(addressSpan).default([]),
    groups: z
      .array(resourceName)
      .default([])
      .meta({ description: 'Every address of every member NIC of these groups.' }),
    self: z.boolean().default(false).meta({ description: 'The members of this group itself.' }),
  })
  .superRefine((peer, context) => {
    const named =
      peer.cidrs.length + peer.addresses.length + peer.ranges.length + peer.groups.length
    if (named === 0 && !peer.self) {
      context.addIssue({
        code: 'custom',
        message:
          'names nobody: give cidrs, addresses, ranges, groups or self, or leave it out to mean anyone',
      })
    }
  })
  .meta({ id: 'RulePeer' })
export type RulePeer = z.infer<typeof rulePeer>

const PORT_PROTOCOLS = ['tcp', 'udp', 'sctp']

/** Identifier of a rule, unique in its group. */
export const ruleId = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/, 'must be 1 to 40 of a-z, 0-9 and -')

/** The fields of a rule as they are when nothing is left out. */
const wholeRuleFields = {
  family: z.enum(['ipv4', 'ipv6']),
  protocol: z
    .union([z.enum(['all', 'tcp', 'udp', 'sctp', 'icmp']), z.number().int().min(0).max(255)])
    .meta({
      description: 'With family ipv6, icmp means ICMPv6. A number is an IP protocol (IANA).',
    }),
  ports: z
    .array(portSpan)
    .min(1, 'must name a port, or be left out to mean every port')
    .meta({ description: 'Destination ports; tcp, udp and sctp only.' }),
  icmp: z.strictObject({
    type: z.number().int().min(0).max(255),
    code: z.number().int().min(0).max(255).optional(),
  }),
  action: z.enum(['allow', 'deny']),
  enabled: z.boolean(),
  log: z.boolean().meta({
    description: 'New flows that the rule decides become events, at most ten a second and rule.',
  }),
  description: z.string().max(255),
} as const

const { family, protocol, ports, icmp, action, enabled, log, description } = wholeRuleFields

const ruleFields = {
  id: ruleId.optional().meta({
    description: 'Stays with the rule when it moves or changes. Given out when absent.',
  }),
  family,
  protocol,
  ports: ports.optional(),
  icmp: icmp.optional(),
  action,
  enabled: enabled.default(true),
  log: log.default(false),
  description: description.optional(),
} as const

/** A change of single fields of a rule: what is absent stays, null takes an optional field away
 *  (as in RFC 7396). The rule as it then is must be whole. */
export const rulePatch = z
  .strictObject({
    family: family.optional(),
    protocol: protocol.optional(),
    ports: ports.nullable().optional(),
    icmp: icmp.nullable().optional(),
    source: rulePeer.nullable().optional(),
    destination: rulePeer.nullable().optional(),
    action: action.optional(),
    enabled: enabled.optional(),
    log: log.optional(),
    description: description.nullable().optional(),
  })
  .meta({ id: 'RulePatch' })
export type RulePatch = z.input<typeof rulePatch>

interface CheckedRule {
  readonly family: 'ipv4' | 'ipv6'
  readonly protocol: string | number
  readonly ports?: readonly string[] | undefined
  readonly icmp?: unknown
}

function checkRule(
  rule: CheckedRule,
  peer: RulePeer | undefined,
  side: string,
  context: z.RefinementCtx,
): void {
  const report = (path: (string | number)[], message: string): void =>
    context.addIssue({ code: 'custom', path, message })
  if (rule.ports !== undefined && !PORT_PROTOCOLS.includes(String(rule.protocol))) {
    report(['ports'], `protocol ${rule.protocol} has no ports; ports go with tcp, udp and sctp`)
  }
  if (rule.icmp !== undefined && rule.protocol !== 'icmp') {
    report(['icmp'], `goes with protocol icmp, found ${rule.protocol}`)
  }
  if (peer === undefined) return
  const families: [string, string | undefined, number][] = [
    ...peer.cidrs.map(
      (text, index) =>
        ['cidrs', parseCidr(text)?.family, index] as [string, string | undefined, number],
    ),
    ...peer.addresses.map(
      (text, index) =>
        ['addresses', parseAddress(text)?.family, index] as [string, string | undefined, number],
    ),
    ...peer.ranges.map(
      (text, index) =>
        ['ranges', parseAddress(text.split('-')[0] ?? '')?.family, index] as [
          string,
          string | undefined,
          number,
        ],
    ),
  ]
  for (const [field, family, index] of families) {
    if (family !== undefined && family !== rule.family) {
      report([side, field, index], `is ${family}, but the rule's family is ${rule.family}`)
    }
  }
}

/** A rule for what reaches a NIC. Its priority is its position in the list, 0 the highest. */
export const inboundRule = z
  .strictObject({ ...ruleFields, source: rulePeer.optional() })
  .superRefine((rule, context) => checkRule(rule, rule.source, 'source', context))
  .meta({ id: 'InboundRule' })
export type InboundRule = z.infer<typeof inboundRule>

/** A rule for what leaves a NIC. */
export const outboundRule = z
  .strictObject({ ...ruleFields, destination: rulePeer.optional() })
  .superRefine((rule, context) => checkRule(rule, rule.destination, 'destination', context))
  .meta({ id: 'OutboundRule' })
export type OutboundRule = z.infer<typeof outboundRule>

/** Ordered, stateful rules for the NICs that name the group. */
export const securityGroupSpec = z
  .strictObject({
    allowWithinGroup: z.boolean().default(true).meta({
      description: 'The members rule: members reach each other; stands before the rules.',
    }),
    keepEstablished: z.boolean().default(false).meta({
      description:
        'Whether connections that a change of this group refuses go on until they end by themselves.',
    }),
    inbound: z.array(inboundRule).default([]),
    outbound: z.array(outboundRule).default([]),
    description: z.string().max(255).optional(),
  })
  .superRefine((spec, context) => {
    const holders = new Map<string, string>()
    for (const direction of ['inbound', 'outbound'] as const) {
      spec[direction].forEach(({ id }, index) => {
        if (id === undefined) return
        const holder = holders.get(id)
        holders.set(id, holder ?? `${direction}[${index}]`)
        if (holder === undefined) return
        const message = `duplicate id ${id}: ${holder} has it; each rule of a group has its own`
        context.addIssue({ code: 'custom', path: [direction, index, 'id'], message })
      })
    }
  })
  .meta({ id: 'SecurityGroupSpec' })
export type SecurityGroupSpec = z.infer<typeof securityGroupSpec>

export const securityGroup = manifestOf('SecurityGroup', securityGroupSpec)
