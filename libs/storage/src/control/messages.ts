import { z } from 'zod'

/** The version of the control socket's words that this client speaks. */
export const CONTROL_VERSION = 1
/** The name of the control socket in the daemon's folder of sockets. */
export const CONTROL_SOCKET = 'blockd.control.sock'

const bytes = z.number().int().nonnegative()
const count = z.number().int().nonnegative()

const disk = z.object({
  disk: count,
  name: z.string(),
  domains: z.array(z.string()),
  state: z.enum(['online', 'missing', 'maintenance', 'leaving', 'joining']),
  sizeBytes: bytes,
  usedBytes: bytes,
  errors: count,
})
/** A disk of a pool as the daemon has it. */
export type DiskStatus = z.infer<typeof disk>

const volume = z.object({
  name: z.string(),
  sizeBytes: bytes,
  snapshot: z.boolean(),
  parent: z.string().nullable(),
  timeSeconds: z.number().nullable(),
})
/** A volume or snapshot as the daemon has it. */
export type VolumeStatus = z.infer<typeof volume>

const engine = z.object({
  policy: z.string(),
  disks: z.array(disk),
  volumes: z.array(volume),
  provisionedBytes: bytes,
  logUsedBytes: bytes,
  logBytes: bytes,
  shortStripes: count,
  repairedChunks: count,
  memoryBytes: bytes,
})

const pool = z.object({
  name: z.string(),
  state: z.object({
    phase: z.enum(['starting', 'running', 'closed', 'failed']),
    code: z.string().optional(),
    message: z.string().optional(),
  }),
  reactor: z.object({ clients: z.record(z.string(), count) }).optional(),
  engine: engine.optional(),
})
/** A pool as the daemon has it; without `engine` it does not answer. */
export type PoolStatus = z.infer<typeof pool>

/** The answer to the call `status`. Fields that are added later are passed over. */
export const daemonStatus = z.object({
  program: z.string(),
  process: count,
  pools: z.array(pool),
})
export type DaemonStatus = z.infer<typeof daemonStatus>

/** A line of the daemon. */
export const answerLine = z.object({
  version: z.number(),
  id: z.number(),
  result: z.unknown().optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
})

/** What a volume may use; what is absent is not limited. Rates are per second. */
export interface VolumeLimits {
  readonly iops?: number
  readonly iopsBurst?: number
  readonly readBytesPerSecond?: number
  readonly writeBytesPerSecond?: number
  readonly burstSeconds?: number
}

/** The calls that are made here, each with its arguments. */
export interface ControlCalls {
  readonly status: undefined
  readonly 'volume-create': {
    readonly pool: string
    readonly name: string
    readonly sizeBytes: number
    readonly limits: VolumeLimits
  }
  readonly 'volume-clone': {
    readonly snapshot: string
    readonly name: string
    readonly linked: boolean
    readonly pool: string
  }
  readonly 'volume-grow': { readonly name: string; readonly sizeBytes: number }
  readonly 'volume-limit': { readonly name: string; readonly limits: VolumeLimits }
  readonly 'volume-delete': { readonly name: string }
  readonly 'snapshot-create': { readonly volume: string; readonly name: string }
  readonly 'snapshot-delete': { readonly name: string }
  readonly 'pool-recovery-speed': {
    readonly pool: string
    readonly speed: 'low' | 'medium' | 'high'
  }
  readonly 'pool-policy': {
    readonly pool: string
    readonly redundancy: { readonly erasure: string } | { readonly replicas: number }
  }
  readonly upgrade: { readonly program: null }
}
