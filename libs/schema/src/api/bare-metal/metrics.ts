import { z } from 'zod'

const ms = z.number().int().min(0)

/** JSON has no word for a value that is no finite number. */
const value = z.number().nullable().meta({ description: 'null: not a number, or not finite.' })

const seriesFields = {
  metric: z.string().meta({ example: 'node_load1' }),
  labels: z.record(z.string(), z.string()),
} as const

const reportingFields = {
  instance: z.string(),
  chassis: z.string(),
  reporting: z.boolean().meta({ description: 'Whether the last push is younger than 60 s.' }),
  lastPushMs: ms.optional().meta({ description: 'When the last push came; absent: none yet.' }),
} as const

/** The newest values that an instance's agent pushed. */
export const instanceMetrics = z
  .strictObject({
    ...reportingFields,
    series: z.array(z.strictObject({ ...seriesFields, value })),
  })
  .meta({ id: 'InstanceMetrics' })
export type InstanceMetrics = z.infer<typeof instanceMetrics>

export const metricsSelection = z.strictObject({
  metric: z
    .string()
    .regex(/^[a-zA-Z_:][a-zA-Z0-9_:]*\*?$/)
    .optional()
    .meta({ description: 'A metric’s name, or the beginning of names and a *; absent: all.' }),
})
export type MetricsSelection = z.infer<typeof metricsSelection>

/** Which part of the last day of an instance's metrics. */
export const metricsRange = metricsSelection.extend({
  fromMs: z.coerce
    .number()
    .int()
    .min(0)
    .optional()
    .meta({ description: 'Absent: an hour before toMs.' }),
  toMs: z.coerce.number().int().min(0).optional().meta({ description: 'Absent: now.' }),
  stepMs: z.coerce.number().int().min(1000).optional().meta({
    description: 'The newest value of each step is given; absent: at most 240 steps.',
  }),
})
export type MetricsRange = z.infer<typeof metricsRange>

/** Values over time. Counters are given as they were counted; rates are the reader's. */
export const instanceMetricsHistory = z
  .strictObject({
    ...reportingFields,
    fromMs: ms,
    toMs: ms,
    stepMs: ms,
    series: z.array(z.strictObject({ ...seriesFields, points: z.array(z.tuple([ms, value])) })),
  })
  .meta({ id: 'InstanceMetricsHistory' })
export type InstanceMetricsHistory = z.infer<typeof instanceMetricsHistory>
