import { z } from 'zod'

/** One check of the doctor. */
export const finding = z
  .strictObject({
    check: z.string().meta({ example: 'virtualization' }),
    status: z.enum(['ok', 'notice', 'problem', 'unknown']),
    found: z.string(),
    advice: z.string().optional().meta({ description: 'What to do; absent where all is well.' }),
  })
  .meta({ id: 'Finding' })
export type Finding = z.infer<typeof finding>

export const doctorAnswer = z
  .strictObject({ findings: z.array(finding) })
  .meta({ id: 'DoctorAnswer' })
export type DoctorAnswer = z.infer<typeof doctorAnswer>

const laneHealth = z.strictObject({
  lane: z.string(),
  state: z.enum(['starting', 'idle', 'working', 'stuck', 'failed']),
  doing: z.string().optional().meta({ description: 'The call under way.' }),
  ageMs: z.number().optional().meta({ description: 'Age of that call.' }),
  lastError: z.string().optional(),
})
export type LaneHealth = z.infer<typeof laneHealth>

const storeHealth = z.strictObject({
  engine: z.enum(['sqlite', 'etcd']),
  state: z.enum(['ok', 'unreachable']),
  revision: z.number().int().meta({ description: 'Newest revision of a resource known here.' }),
  found: z.string().optional().meta({ description: 'Why it is not reached.' }),
  sinceMs: z.number().int().optional().meta({ description: 'Since when it is not reached.' }),
})
export type StoreHealth = z.infer<typeof storeHealth>

/** Health of the agent: 200 when every lane works, 503 when one is stuck or failed. */
export const healthAnswer = z
  .strictObject({
    status: z.enum(['ok', 'starting', 'degraded']),
    version: z.string(),
    host: z.string(),
    uptimeSeconds: z.number(),
    lanes: z.array(laneHealth),
    store: storeHealth.optional(),
  })
  .meta({ id: 'HealthAnswer' })
export type HealthAnswer = z.infer<typeof healthAnswer>

export const role = z.enum(['admin', 'operator', 'viewer'])
export type Role = z.infer<typeof role>

export const tokenRequest = z
  .strictObject({ name: z.string().min(1).max(63), role: role.default('operator') })
  .meta({ id: 'TokenRequest' })
export type TokenRequest = z.input<typeof tokenRequest>

/** A token's text is shown once, when it is made; the agent keeps a hash. */
export const tokenAnswer = z
  .strictObject({ name: z.string(), role, token: z.string() })
  .meta({ id: 'TokenAnswer' })
export type TokenAnswer = z.infer<typeof tokenAnswer>

export const tokenList = z
  .strictObject({
    items: z.array(z.strictObject({ name: z.string(), role, createdAtMs: z.number().int() })),
  })
  .meta({ id: 'TokenList' })
export type TokenList = z.infer<typeof tokenList>
