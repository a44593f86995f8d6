import { z } from 'zod'

/** Where an upload goes on, and how much it will be in all. */
export const contentQuery = z.strictObject({
  offset: z.coerce.number().int().min(0).default(0).meta({
    description: 'Must be what is here already; 0 begins anew.',
  }),
  sizeBytes: z.coerce.number().int().min(1).meta({ description: 'Of the whole file.' }),
})
export type ContentQuery = z.output<typeof contentQuery>
