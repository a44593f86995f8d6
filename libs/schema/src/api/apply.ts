import { z } from 'zod'

/** A whole manifest, all or nothing. */
export const applyRequest = z
  .strictObject({
    documents: z
      .array(z.unknown())
      .min(1)
      .max(10_000)
      .meta({ description: 'Manifests as written.' }),
  })
  .meta({ id: 'ApplyRequest' })
export type ApplyRequest = z.infer<typeof applyRequest>

export const planRequest = z
  .strictObject({ documents: z.array(z.unknown()).max(10_000).default([]) })
  .meta({ id: 'PlanRequest' })
export type PlanRequest = z.input<typeof planRequest>

/** What a manifest would change, and the steps the host would then take. Both empty: nothing
 *  differs. */
export const planAnswer = z
  .strictObject({
    changes: z.array(
      z.strictObject({
        action: z.enum(['create', 'update', 'delete']),
        kind: z.string(),
        name: z.string(),
        fields: z
          .array(z.strictObject({ path: z.string(), before: z.unknown(), after: z.unknown() }))
          .meta({ description: 'Fields that differ; empty for create and delete.' }),
      }),
    ),
    unread: z
      .array(z.strictObject({ lane: z.string(), reason: z.string() }))
      .meta({ description: 'Lanes that could not be looked at; their steps are not known.' }),
    steps: z.array(z.strictObject({ lane: z.string(), summary: z.string() })),
  })
  .meta({ id: 'PlanAnswer' })
export type PlanAnswer = z.infer<typeof planAnswer>
