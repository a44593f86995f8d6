import { z } from 'zod'
import { manifestOf } from '../envelope.ts'

/** An account of a BMC. The password travels beside the manifest and is kept encrypted; no answer
 *  ever has it. */
export const secretSpec = z
  .strictObject({
    username: z.string().optional(),
    passwordFile: z
      .string()
      .min(1)
      .meta({ description: 'Relative to the manifest; sent beside it, kept encrypted.' }),
  })
  .meta({ id: 'SecretSpec' })
export const secret = manifestOf('Secret', secretSpec)
