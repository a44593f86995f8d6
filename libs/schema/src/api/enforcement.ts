import { z } from 'zod'
import { resourceName } from '../fields/names.ts'
import { ruleImport } from './rules.ts'

const direction = z.enum(['inbound', 'outbound'])
const family = z.enum(['ipv4', 'ipv6'])
const count = z.number().int().min(0)

/** What a change of policy is asked about: documents of a manifest, or a file of rules for a
 *  group. */
export const policyPlanRequest = z
  .strictObject({
    documents: z.array(z.unknown()).max(10_000).default([]),
    import: ruleImport.extend({ group: resourceName }).optional(),
  })
  .meta({ id: 'PolicyPlanRequest' })
export type PolicyPlanRequest = z.input<typeof policyPlanRequest>

/** New flows that a policy decides otherwise than another one. What is absent does not matter. */
export const policyRegion = z
  .strictObject({
    nics: z.array(z.string()).meta({ description: 'The NICs whose lists decide so.' }),
    direction,
    family,
    protocols: z.array(z.string()).optional(),
    sourcePorts: z.array(z.string()).optional(),
    destinationPorts: z.array(z.string()).optional(),
    icmp: z.array(z.string()).optional().meta({ description: 'TYPE, TYPE/CODE, or runs of them.' }),
    peer: z
      .strictObject({ addresses: z.array(z.string()), groups: z.array(z.string()) })
      .optional()
      .meta({ description: 'The other end: addresses, FIRST-LAST, and whole groups.' }),
    before: z.string().meta({
      description: 'What decided: GROUP/DIRECTION/RULE, GROUP/members, default, …',
    }),
    after: z.string(),
  })
  .meta({ id: 'PolicyRegion' })
export type PolicyRegion = z.infer<typeof policyRegion>

const trackedFlow = z
  .strictObject({
    nic: z.string(),
    family,
    protocol: z.string(),
    source: z.string(),
    sourcePort: z.number().int().optional(),
    destination: z.string(),
    destinationPort: z.number().int().optional(),
  })
  .meta({ id: 'TrackedFlow' })
export type TrackedFlow = z.infer<typeof trackedFlow>

/** What a change of policy would do to traffic; nothing was applied. */
export const policyPlan = z
  .strictObject({
    newlyAllowed: z.array(policyRegion),
    newlyDenied: z.array(policyRegion),
    complete: z.boolean().meta({ description: 'false: there are more regions than are listed.' }),
    connectionsToEnd: z.array(trackedFlow).meta({
      description: 'Connections of now that the policy refuses and no group keeps.',
    }),
    unread: z
      .string()
      .optional()
      .meta({ description: 'Why the connections of now are not known; absent: they are.' }),
  })
  .meta({ id: 'PolicyPlan' })
export type PolicyPlan = z.infer<typeof policyPlan>

/** What a rule has decided on this host since its list was loaded. */
export const ruleHit = z
  .strictObject({
    direction,
    type: z.enum(['rule', 'members', 'default', 'open']),
    group: z.string().optional(),
    priority: count.optional(),
    id: z.string().optional(),
    name: z.string().optional().meta({ description: 'Of open: what passes without a rule.' }),
    packets: count.meta({ description: 'First packets of flows, and those of no flow.' }),
    bytes: count,
  })
  .meta({ id: 'RuleHit' })
export type RuleHit = z.infer<typeof ruleHit>

export const ruleHits = z.strictObject({ items: z.array(ruleHit) }).meta({ id: 'RuleHits' })

const verdict = z.enum(['allow', 'deny'])

/** A packet that the kernel would decide otherwise than the policy. */
export const witnessPacket = z
  .strictObject({
    family,
    protocol: z.string(),
    source: z.string(),
    sourcePort: z.number().int().optional(),
    destination: z.string(),
    destinationPort: z.number().int().optional(),
    icmpType: z.number().int().optional(),
    icmpCode: z.number().int().optional(),
    state: z.enum(['new', 'established', 'related']),
    meant: verdict.meta({ description: 'What the policy says.' }),
    meantBy: z.string(),
    loaded: verdict.meta({ description: 'What the loaded rules would do.' }),
    loadedBy: z.string(),
  })
  .meta({ id: 'WitnessPacket' })
export type WitnessPacket = z.infer<typeof witnessPacket>

/** Whether what the kernel holds decides every packet as the policy does. */
export const verification = z
  .strictObject({
    equal: z.boolean(),
    findings: z.array(
      z.strictObject({
        where: z.string().meta({ description: 'The object in the kernel, or the list of a NIC.' }),
        what: z.string(),
        nic: z.string().optional(),
        direction: direction.optional(),
        witness: witnessPacket.optional(),
      }),
    ),
    nics: count.meta({ description: 'NICs that were looked at.' }),
    spaces: count.meta({ description: 'Packet spaces that were compared.' }),
  })
  .meta({ id: 'Verification' })
export type Verification = z.infer<typeof verification>
