import { z } from 'zod'
import { resourceName } from '../fields/names.ts'

/** What a condition says: `status` unknown means that the agent has not looked yet. */
export const condition = z
  .strictObject({
    type: z.string().meta({ example: 'Ready' }),
    status: z.enum(['true', 'false', 'unknown']),
    reason: z.string().meta({ description: 'One word for programs.', example: 'Enforced' }),
    message: z.string().meta({ description: 'A sentence for people.' }),
    sinceMs: z.number().int().meta({ description: 'Milliseconds since 1970.' }),
  })
  .meta({ id: 'Condition' })
export type Condition = z.infer<typeof condition>

/** What is observed of a resource; never written by a caller. */
export const resourceStatus = z
  .looseObject({
    observedGeneration: z
      .number()
      .int()
      .meta({ description: 'Generation of the spec that this status speaks of.' }),
    conditions: z.array(condition),
  })
  .meta({ id: 'ResourceStatus' })
export type ResourceStatus = z.infer<typeof resourceStatus>

/** Free words for people and tools; nothing in Purlin decides by them. */
export const labels = z.record(z.string(), z.string()).optional()

/** The schema of one kind as it stands in a manifest. */
export function manifestOf<Kind extends string, Spec extends z.ZodType>(
  kind: Kind,
  spec: Spec,
  name: z.ZodType<string, string> = resourceName,
) {
  return z
    .strictObject({ kind: z.literal(kind), name, labels, spec })
    .meta({ id: `${kind}Manifest` })
}

/** What the agent adds to a manifest: identity, versions and status. */
export const storedFields = {
  uid: z.string().meta({ description: 'Identity of this very resource, never used again.' }),
  generation: z.number().int().meta({ description: 'Counts the changes of the spec, from 1.' }),
  revision: z.number().int().meta({ description: 'Store revision of the last change; an ETag.' }),
  createdAtMs: z.number().int(),
  status: resourceStatus,
} as const
