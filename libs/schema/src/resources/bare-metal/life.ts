import { z } from 'zod'

/** Where the life of a chassis stands. */
export const chassisStates = [
  'enrolled',
  'verifying',
  'manageable',
  'discovering',
  'available',
  'preparing',
  'booting',
  'installing',
  'partitioning',
  'writing',
  'bootloader',
  'configuring',
  'rebooting',
  'active',
  'cancelling',
  'erasing',
  'rescuing',
  'rescue',
  'leaving',
  'failed',
] as const
export const chassisState = z.enum(chassisStates)
export type ChassisState = z.infer<typeof chassisState>

const AT_REST: readonly ChassisState[] = [
  'enrolled',
  'manageable',
  'available',
  'active',
  'rescue',
  'failed',
]

/** Whether nothing is under way in this state; every other state has a deadline. */
export function chassisAtRest(state: ChassisState): boolean {
  return AT_REST.includes(state)
}

/** Why a step failed, and what was to be seen then. */
export const chassisFailure = z
  .strictObject({
    state: chassisState.meta({ description: 'The state in which it happened.' }),
    step: z.string().optional().meta({ description: 'What was being waited for.' }),
    cause: z.string().meta({ description: 'A sentence for people.' }),
    code: z.string().optional(),
    retriable: z.boolean(),
    atMs: z.number().int(),
    power: z.enum(['on', 'off']).optional(),
    consoleTail: z
      .string()
      .optional()
      .meta({ description: 'What the console said last, as printable text; at most 16 KiB.' }),
    eventLog: z
      .array(
        z.strictObject({ atMs: z.number().int().optional(), sensor: z.string(), text: z.string() }),
      )
      .max(32)
      .optional()
      .meta({ description: 'The newest entries of the BMC’s event log.' }),
  })
  .meta({ id: 'ChassisFailure' })
export type ChassisFailure = z.infer<typeof chassisFailure>

/** The life of a chassis as it stands. Times are milliseconds since 1970. */
export const chassisLife = z
  .strictObject({
    state: chassisState,
    step: z
      .string()
      .optional()
      .meta({ description: 'What is waited for.', example: 'first contact' }),
    sinceMs: z.number().int().meta({ description: 'Since when the state lasts.' }),
    deadlineAtMs: z
      .number()
      .int()
      .optional()
      .meta({ description: 'When the step is given up; absent at rest.' }),
    attempt: z.number().int().min(1).optional().meta({ description: 'Of this state, from 1.' }),
    instance: z.string().optional().meta({ description: 'Whose it is, or becomes.' }),
    identity: z.enum(['same', 'mac', 'unknown']).optional().meta({
      description: 'same: it proved to be the machine of its BMC; mac: by its boot MAC alone.',
    }),
    maintenance: z.boolean().meta({ description: 'Nothing is begun while it is true.' }),
    maintenanceReason: z.string().optional(),
    failure: chassisFailure.optional().meta({ description: 'Why it failed, or tries again.' }),
  })
  .meta({ id: 'ChassisLife' })
export type ChassisLife = z.infer<typeof chassisLife>

/** One transition of a life, as it was written down before its commands were carried out. */
export const chassisTransition = z
  .strictObject({
    sequence: z.number().int(),
    atMs: z.number().int(),
    event: z.string(),
    from: chassisState,
    to: chassisState,
    step: z.string().optional(),
    attempt: z.number().int().optional(),
    message: z.string().optional(),
    consoleTail: z
      .string()
      .optional()
      .meta({ description: 'What the console said last in the state that ended here.' }),
  })
  .meta({ id: 'ChassisTransition' })
export type ChassisTransition = z.infer<typeof chassisTransition>
