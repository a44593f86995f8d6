import { z } from 'zod'
import { chassisTransition } from '../../resources/bare-metal/life.ts'

/** What to do with the power. A soft off is a wish: `deadlineMs` is how long the system has, and
 *  `otherwise` what then. */
export const powerRequest = z
  .strictObject({
    action: z.enum(['on', 'off', 'soft', 'cycle', 'reset']),
    deadlineMs: z.number().int().min(1_000).max(1_800_000).optional(),
    otherwise: z.enum(['off', 'fail']).optional(),
  })
  .refine(({ action, deadlineMs, otherwise }) => {
    return action === 'soft' || (deadlineMs === undefined && otherwise === undefined)
  }, 'deadlineMs and otherwise go with action soft')
  .meta({ id: 'PowerRequest' })
export type PowerRequest = z.input<typeof powerRequest>

export const powerAnswer = z
  .strictObject({ power: z.enum(['on', 'off']), readAtMs: z.number().int() })
  .meta({ id: 'PowerAnswer' })
export type PowerAnswer = z.infer<typeof powerAnswer>

export const bootRequest = z
  .strictObject({
    device: z.enum(['pxe', 'disk', 'cdrom', 'setup']),
    lasting: z.boolean().default(false).meta({ description: 'For every start from now on.' }),
  })
  .meta({ id: 'BootRequest' })
export type BootDeviceRequest = z.input<typeof bootRequest>

/** As the BMC reports it afterwards, which may differ from what was asked. */
export const bootAnswer = z
  .strictObject({
    device: z.enum(['none', 'pxe', 'disk', 'cdrom', 'setup', 'other']),
    lasting: z.boolean(),
    firmware: z.enum(['bios', 'uefi']).optional(),
    valid: z.boolean(),
  })
  .meta({ id: 'BootAnswer' })
export type BootAnswer = z.infer<typeof bootAnswer>

export const sensorList = z
  .strictObject({
    items: z.array(
      z.strictObject({
        name: z.string(),
        reading: z.number().optional(),
        unit: z.string(),
        status: z.string(),
        lowerCritical: z.number().optional(),
        upperCritical: z.number().optional(),
      }),
    ),
  })
  .meta({ id: 'SensorList' })
export type SensorList = z.infer<typeof sensorList>

export const fieldUnitList = z
  .strictObject({
    items: z.array(
      z.strictObject({
        name: z.string(),
        fields: z.array(z.strictObject({ name: z.string(), value: z.string() })),
      }),
    ),
  })
  .meta({ id: 'FieldUnitList' })
export type FieldUnitList = z.infer<typeof fieldUnitList>

export const bmcEventList = z
  .strictObject({
    items: z.array(
      z.strictObject({
        id: z.string(),
        atMs: z.number().int().optional(),
        sensor: z.string(),
        text: z.string(),
      }),
    ),
  })
  .meta({ id: 'BmcEventList' })
export type BmcEventList = z.infer<typeof bmcEventList>

export const hardwareAnswer = z
  .strictObject({
    manufacturer: z.string().optional(),
    product: z.string().optional(),
    controllerFirmware: z.string().optional(),
    biosVersion: z.string().optional(),
    processors: z.number().optional(),
    memoryMiB: z.number().optional(),
  })
  .meta({ id: 'HardwareAnswer' })
export type HardwareAnswer = z.infer<typeof hardwareAnswer>

export const identityAnswer = z
  .strictObject({ uuids: z.array(z.string()), serials: z.array(z.string()) })
  .meta({ id: 'IdentityAnswer' })
export type IdentityAnswer = z.infer<typeof identityAnswer>

export const consoleQuery = z.strictObject({
  tailBytes: z.coerce.number().int().min(0).max(65_536).default(65_536).meta({
    description: 'Of what came before, this much first.',
  }),
  follow: z
    .enum(['true', 'false'])
    .default('true')
    .meta({ description: 'false: end after the tail.' }),
})

/** One line of a console's stream; an empty line only shows that the connection lives. */
export const consoleEvent = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('output'),
      atMs: z.number().int(),
      base64: z.string().meta({ description: 'Bytes as they came, of no certain encoding.' }),
    }),
    z.strictObject({ kind: z.literal('began'), atMs: z.number().int() }),
    z.strictObject({ kind: z.literal('ended'), atMs: z.number().int(), reason: z.string() }),
    z.strictObject({
      kind: z.literal('skipped'),
      bytes: z.number().int().meta({ description: 'Lost to this reader, which was too slow.' }),
    }),
  ])
  .meta({ id: 'ConsoleEvent' })
export type ConsoleEvent = z.infer<typeof consoleEvent>

export const maintenanceRequest = z
  .strictObject({ on: z.boolean(), reason: z.string().max(255).optional() })
  .meta({ id: 'MaintenanceRequest' })
export type MaintenanceRequest = z.input<typeof maintenanceRequest>

export const rescueRequest = z
  .strictObject({ sshKeys: z.array(z.string().min(1).max(16_384)).min(1).max(64) })
  .meta({ id: 'RescueRequest', description: 'Who may log in to the rescue system as root.' })
export type RescueRequest = z.input<typeof rescueRequest>

export const historyQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1_000).default(200),
})
export const historyAnswer = z
  .strictObject({ items: z.array(chassisTransition).meta({ description: 'Oldest first.' }) })
  .meta({ id: 'ChassisHistory' })
export type ChassisHistory = z.infer<typeof historyAnswer>
