import { z } from 'zod'

/** What goes through the guest's agent at once is at most so large. */
const FILE_BYTES_MAX = 8_388_608
/** Base 64 of that. */
const FILE_TEXT_MAX = Math.ceil(FILE_BYTES_MAX / 3) * 4
const LONGEST_FREEZE_SECONDS = 60

const path = z.string().min(1).max(4_096).meta({ description: 'As the guest names it.' })

export const guestInterfaces = z
  .strictObject({
    items: z.array(
      z.strictObject({
        name: z.string(),
        mac: z.string().optional(),
        addresses: z.array(
          z.strictObject({
            family: z.enum(['ipv4', 'ipv6']),
            address: z.string(),
            prefixLength: z.number().int(),
          }),
        ),
      }),
    ),
  })
  .meta({ id: 'GuestInterfaces' })
export type GuestInterfaces = z.infer<typeof guestInterfaces>

export const guestFileRequest = z
  .strictObject({
    path,
    maxBytes: z.number().int().min(1).max(FILE_BYTES_MAX).default(1_048_576),
  })
  .meta({ id: 'GuestFileRequest' })

export const guestFile = z
  .strictObject({
    contentBase64: z.string(),
    complete: z.boolean().meta({ description: 'Whether that is the whole file.' }),
  })
  .meta({ id: 'GuestFile' })

export const guestFileWrite = z
  .strictObject({
    path,
    contentBase64: z.base64().max(FILE_TEXT_MAX),
    append: z.boolean().default(false),
  })
  .meta({ id: 'GuestFileWrite' })

export const freezeRequest = z
  .strictObject({
    holdSeconds: z.number().int().min(1).max(LONGEST_FREEZE_SECONDS).default(10).meta({
      description: 'After this the guest is thawed, whatever becomes of the caller and the agent.',
    }),
  })
  .meta({ id: 'FreezeRequest' })

export const freezeAnswer = z
  .strictObject({
    filesystems: z.number().int().meta({ description: 'How many are frozen.' }),
    thawAtMs: z.number().int(),
  })
  .meta({ id: 'FreezeAnswer' })
export type FreezeAnswer = z.infer<typeof freezeAnswer>

export const thawAnswer = z
  .strictObject({
    filesystems: z.number().int().meta({ description: 'How many were thawed.' }),
  })
  .meta({ id: 'ThawAnswer' })
export type ThawAnswer = z.infer<typeof thawAnswer>
