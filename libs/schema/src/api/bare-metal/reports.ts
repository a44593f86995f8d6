import { z } from 'zod'
import { reportSummary } from '../../resources/bare-metal/chassis.ts'
import { discoveryReport } from '../../resources/discovery-report.ts'

export const reportList = z
  .strictObject({ items: z.array(reportSummary).meta({ description: 'Newest first.' }) })
  .meta({ id: 'ReportList' })
export type ReportList = z.infer<typeof reportList>

/** A report as it was checked and kept. */
export const storedReport = z
  .strictObject({ id: z.number().int(), atMs: z.number().int(), report: discoveryReport })
  .meta({ id: 'StoredReport' })
export type StoredReport = z.infer<typeof storedReport>

export const reportChangesQuery = z.strictObject({
  from: z.coerce.number().int().min(1).optional().meta({
    description: 'An older report; absent: the one before.',
  }),
  to: z.coerce.number().int().min(1).optional().meta({ description: 'Absent: the newest.' }),
})

/** What differs between two reports of one chassis. Parts are matched by what they are (serial
 *  number, WWN, MAC, slot, address), so another order is no difference. */
export const reportChanges = z
  .strictObject({
    from: z.number().int(),
    to: z.number().int(),
    changes: z.array(
      z.strictObject({
        change: z.enum(['added', 'removed', 'changed']),
        part: z.string().meta({ example: 'disk S3X1' }),
        field: z.string().optional().meta({ description: 'Which field changed.' }),
        before: z.unknown().optional(),
        after: z.unknown().optional(),
      }),
    ),
  })
  .meta({ id: 'ReportChanges' })
export type ReportChanges = z.infer<typeof reportChanges>
