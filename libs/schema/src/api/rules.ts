import { z } from 'zod'
import { ipAddress } from '../fields/addresses.ts'
import { resourceName } from '../fields/names.ts'
import { inboundRule, outboundRule } from '../resources/security-group.ts'

const RULES_A_CALL = 10_000

const priority = z
  .number()
  .int()
  .min(0)
  .meta({ description: 'Position in the list of the direction, 0 the highest.' })

const place = priority.optional().meta({
  description: 'Where the first of them goes, 0 to n; absent: behind the others.',
})

/** Rules for one list of a group, in their order. */
export const ruleAddition = z
  .discriminatedUnion('direction', [
    z.strictObject({
      direction: z.literal('inbound'),
      rules: z.array(inboundRule).min(1).max(RULES_A_CALL),
      priority: place,
    }),
    z.strictObject({
      direction: z.literal('outbound'),
      rules: z.array(outboundRule).min(1).max(RULES_A_CALL),
      priority: place,
    }),
  ])
  .meta({ id: 'RuleAddition' })
export type RuleAddition = z.input<typeof ruleAddition>

/** Where a rule goes within its list. */
export const ruleMove = z.strictObject({ priority }).meta({ id: 'RuleMove' })
export type RuleMove = z.input<typeof ruleMove>

/** What of a group can be changed beside its rules; what is absent stays. */
export const groupPatch = z
  .strictObject({
    allowWithinGroup: z.boolean().optional(),
    keepEstablished: z.boolean().optional(),
    description: z.string().max(255).nullable().optional(),
  })
  .meta({ id: 'SecurityGroupPatch' })
export type GroupPatch = z.input<typeof groupPatch>

/** A group for a NIC. */
export const groupAttachment = z
  .strictObject({
    group: resourceName,
    priority: priority.optional().meta({
      description: 'Its place among the groups of the NIC, 0 to n; absent: behind the others.',
    }),
  })
  .meta({ id: 'GroupAttachment' })
export type GroupAttachment = z.input<typeof groupAttachment>

/** The groups of a NIC in another order: the same ones, each once. */
export const groupOrder = z
  .strictObject({ groups: z.array(resourceName).max(32) })
  .meta({ id: 'GroupOrder' })
export type GroupOrder = z.input<typeof groupOrder>

/** The NICs that name a group. */
export const memberList = z
  .strictObject({
    items: z.array(
      z.strictObject({
        nic: z.string().meta({ example: 'web-1/eth0' }),
        ipv4: z.array(ipAddress),
        ipv6: z.array(ipAddress),
      }),
    ),
  })
  .meta({ id: 'MemberList' })
export type MemberList = z.infer<typeof memberList>

/** The forms that rules are exported in. */
export const ruleFormats = ['json', 'yaml', 'csv'] as const
export type RuleFormat = (typeof ruleFormats)[number]
/** The forms that rules are imported from. */
export const importFormats = [...ruleFormats, 'openstack', 'aws', 'zstack'] as const
export type ImportFormat = (typeof importFormats)[number]

/** A file of rules for a group. Everything in it is checked before anything is applied. */
export const ruleImport = z
  .strictObject({
    text: z.string().max(16 * 1024 * 1024),
    fileName: z.string().max(255).default('rules').meta({ description: 'For messages.' }),
    format: z
      .enum(importFormats)
      .optional()
      .meta({ description: 'Absent: told by the text itself.' }),
    replace: z.boolean().default(false).meta({
      description: 'Instead of the rules there are; else behind them.',
    }),
    keepRedundant: z.boolean().default(false).meta({
      description: 'Take also rules that are there twice or can never match.',
    }),
    groups: z
      .record(z.string(), z.string())
      .default({})
      .meta({ description: 'Names here of groups by their names in the file; `self`: this one.' }),
    from: z.string().optional().meta({
      description: 'Which group of a file that has several: its name or identifier there.',
    }),
  })
  .meta({ id: 'RuleImport' })
export type RuleImport = z.input<typeof ruleImport>

/** Something about a place of a file. */
export const fileNote = z.strictObject({
  line: z.number().int().min(1),
  path: z.string(),
  message: z.string(),
})
export type FileNote = z.infer<typeof fileNote>

/** What an import would do; nothing was applied. */
export const importPlan = z
  .strictObject({
    format: z.enum(importFormats),
    add: z.strictObject({ inbound: z.number().int(), outbound: z.number().int() }),
    remove: z.strictObject({ inbound: z.number().int(), outbound: z.number().int() }),
    allowWithinGroup: z.boolean().meta({ description: 'As it would be.' }),
    notes: z.array(fileNote).meta({ description: 'Redundant rules that are taken all the same.' }),
    inbound: z.array(inboundRule).meta({ description: 'The list as it would be.' }),
    outbound: z.array(outboundRule),
  })
  .meta({ id: 'ImportPlan' })
export type ImportPlan = z.infer<typeof importPlan>
