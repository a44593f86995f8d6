import { z } from 'zod'

const FILE_LIMIT_CHARACTERS = 1_048_576

/** Texts of the files that documents name, by the path as it is written there. */
export const manifestFiles = z
  .record(
    z.string().min(1).max(1_024),
    z.string().max(FILE_LIMIT_CHARACTERS, 'must have at most 1 MiB'),
  )
  .refine((files) => Object.keys(files).length <= 1_024, 'must be at most 1024 files')
  .optional()
  .meta({ description: 'Files that the documents name: path as written, text. Bare metal.' })

/** A whole manifest, all or nothing. */
export const applyRequest = z
  .strictObject({
    documents: z
      .array(z.unknown())
      .min(1)
      .max(10_000)
      .meta({ description: 'Manifests as written.' }),
    files: manifestFiles,
  })
  .meta({ id: 'ApplyRequest' })
export type ApplyRequest = z.infer<typeof applyRequest>

export const planRequest = z
  .strictObject({
    documents: z.array(z.unknown()).max(10_000).default([]),
    files: manifestFiles,
  })
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
