import { z } from 'zod'
import { resourceName } from '../fields/names.ts'
import type { Operation } from './operation.ts'

const bytes = z.number().int().min(0)

/** Which of its snapshots a volume becomes again. */
export const rollbackRequest = z
  .strictObject({ snapshot: resourceName })
  .meta({ id: 'RollbackRequest' })

export const rollbackAnswer = z
  .strictObject({ volume: z.string(), snapshot: z.string() })
  .meta({ id: 'RollbackAnswer' })
export type RollbackAnswer = z.infer<typeof rollbackAnswer>

/** Some of the extents, in the order of their offsets. */
export const extentList = z
  .strictObject({
    sizeBytes: bytes,
    extents: z.array(z.strictObject({ offset: bytes, length: bytes })),
    next: bytes.optional().meta({ description: 'Ask again with this offset; absent: at the end.' }),
  })
  .meta({ id: 'ExtentList' })
export type ExtentList = z.infer<typeof extentList>

const extentQuery = z.strictObject({
  since: resourceName.optional().meta({
    description: 'An older snapshot: the extents that may differ. Absent: those written to.',
  }),
  offset: z.coerce.number().int().min(0).multipleOf(4096).default(0),
})

/** What can be asked of volumes and snapshots beside their resources. */
export const storageOperations = {
  rollbackVolume: {
    method: 'POST',
    path: '/v1/volumes/:name/rollback',
    summary: 'Make a volume that nobody uses what one of its snapshots is.',
    role: 'operator',
    status: 200,
    body: rollbackRequest,
    answer: rollbackAnswer,
  },
  volumeExtents: {
    method: 'GET',
    path: '/v1/volumes/:name/extents',
    summary: 'The parts of a volume that hold something, or that differ from a snapshot.',
    role: 'viewer',
    status: 200,
    query: extentQuery,
    answer: extentList,
  },
  snapshotExtents: {
    method: 'GET',
    path: '/v1/snapshots/:name/extents',
    summary: 'The parts of a snapshot that hold something, or that differ from an older one.',
    role: 'viewer',
    status: 200,
    query: extentQuery,
    answer: extentList,
  },
} as const satisfies Record<string, Operation>
