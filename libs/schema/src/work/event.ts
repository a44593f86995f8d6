import { z } from 'zod'

/** What happened, in the order in which it happened; `sequence` only grows and can be resumed
 *  from. */
export const event = z
  .strictObject({
    sequence: z.number().int(),
    atMs: z.number().int().meta({ description: 'Milliseconds since 1970.' }),
    type: z.string().meta({ example: 'resource.enforced' }),
    severity: z.enum(['notice', 'warning', 'critical']),
    host: z.string().optional().meta({ description: 'The host whose agent told of it.' }),
    subject: z.strictObject({ kind: z.string(), name: z.string() }),
    message: z.string(),
    context: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({ id: 'Event' })
export type Event = z.infer<typeof event>

/** An event before the store gives it its number. */
export type NewEvent = Omit<Event, 'sequence' | 'atMs'>
