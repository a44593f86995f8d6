import { z } from 'zod'

/** The version of the control socket's words that this client speaks. */
export const CONTROL_VERSION = 1
/** The name of the control socket in the daemon's folder of sockets. */
export const CONTROL_SOCKET = 'blockd.control.sock'
/** Ends the name of the socket on which a volume is a disk of machines by vhost-user. */
export const VHOST_SOCKET = '.vhost.sock'

/** Begins the name of what the daemon notes of a copy that is under way. */
export const COPYING = 'copying:'

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
  media: z.enum(['hdd', 'ssd', 'nvme']).optional(),
  /** Read and written to move and rebuild stripes. */
  movedBytes: bytes.optional(),
})
/** A disk of a pool as the daemon has it. */
export type DiskStatus = z.infer<typeof disk>

const volume = z.object({
  name: z.string(),
  sizeBytes: bytes,
  snapshot: z.boolean(),
  parent: z.string().nullable(),
  timeSeconds: z.number().nullable(),
  /** Of one that is being copied from another pool: what there was to copy, without holes. */
  copy: z.object({ copiedBytes: bytes, totalBytes: bytes }).nullish(),
})
/** A volume or snapshot as the daemon has it. */
export type VolumeStatus = z.infer<typeof volume>

const byDistance = z.object({ server: bytes, rack: bytes, room: bytes, across: bytes })
/** Bytes that go from one disk to another: within a server, a rack, a room, and beyond. */
export type BytesByDistance = z.infer<typeof byDistance>

const moving = z.object({
  rebalance: z.enum(['idle', 'running', 'paused', 'held']),
  movedBytes: byDistance,
  leastBytes: byDistance,
  rebuiltBytes: bytes,
  rewrittenBytes: bytes,
  plannedBytes: bytes,
})
/** How the moving of a pool's stripes is going, since what is wanted has last changed. */
export type MovingStatus = z.infer<typeof moving>

const scrubbing = z.object({
  deep: z.boolean(),
  paused: z.boolean(),
  walkedBytes: bytes,
  plannedBytes: bytes,
  found: z.object({ pages: count, stripes: count, repaired: count, lost: count }),
})
/** How far the scrub is that runs: through so many bytes of the volumes and snapshots. */
export type ScrubbingStatus = z.infer<typeof scrubbing>

const engine = z.object({
  policy: z.string(),
  faultDomain: z.enum(['disk', 'server', 'rack', 'room']).optional(),
  moving: moving.optional(),
  scrub: scrubbing.nullish(),
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
  reactor: z
    .object({
      clients: z.record(z.string(), count),
      /** By the names of the disks that are open. */
      movedBytes: z.record(z.string(), z.unknown()).optional(),
    })
    .optional(),
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
    /** Whether a copy into another pool is answered at its end, or at once. */
    readonly wait: boolean
  }
  readonly 'volume-grow': {
    readonly name: string
    readonly sizeBytes: number
    /** Its clients are to connect again, since NBD tells a size only then. */
    readonly reconnect: boolean
  }
  readonly 'volume-flatten': { readonly name: string }
  readonly 'volume-rollback': { readonly name: string; readonly snapshot: string }
  readonly 'volume-extents': {
    readonly name: string
    readonly since?: string
    readonly offset: number
  }
  readonly 'volume-limit': { readonly name: string; readonly limits: VolumeLimits }
  readonly 'volume-delete': { readonly name: string }
  readonly 'snapshot-create': { readonly volume: string; readonly name: string }
  readonly 'snapshot-delete': { readonly name: string }
  readonly 'pool-recovery-speed': {
    readonly pool: string
    readonly speed: 'low' | 'medium' | 'high'
  }
  readonly 'pool-explain': { readonly pool: string }
  /** Takes over where disks stand and what may fail as one, out of the configuration file. */
  readonly 'pool-topology': { readonly pool: string }
  readonly 'pool-rebalance': { readonly pool: string; readonly wait: boolean }
  readonly 'pool-rebalance-pause': { readonly pool: string; readonly on: boolean }
  readonly 'disk-add': { readonly pool: string; readonly disks: readonly string[] }
  /** Its name is that of the configuration file. */
  readonly 'disk-return': { readonly pool: string; readonly disk: string }
  readonly 'disk-replace': {
    readonly pool: string
    /** By its name, or by its number where it is missing. */
    readonly disk: string | number
    readonly by: string
    readonly wait: boolean
  }
  readonly 'disk-evacuate': {
    readonly pool: string
    readonly disk: string
    readonly on: boolean
    readonly wait: boolean
  }
  readonly 'disk-remove': { readonly pool: string; readonly disk: string; readonly wait: boolean }
  readonly 'disk-maintenance': {
    readonly pool: string
    readonly disk: string
    readonly on: boolean
  }
  readonly 'pool-scrub': { readonly pool: string; readonly deep: boolean }
  readonly 'pool-scrub-pause': { readonly pool: string; readonly on: boolean }
  readonly 'pool-policy': {
    readonly pool: string
    readonly redundancy: { readonly erasure: string } | { readonly replicas: number }
  }
  readonly 'cache-mode': {
    readonly pool: string
    readonly mode: 'writethrough' | 'writeback' | 'pass-through'
  }
  readonly 'cache-device-add': {
    readonly pool: string
    readonly device: string
    readonly sizeBytes?: number
  }
  readonly 'cache-device-remove': { readonly pool: string; readonly device: string }
  readonly upgrade: { readonly program: null }
}
