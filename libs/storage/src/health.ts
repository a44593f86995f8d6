import {
  COPYING,
  type DiskStatus,
  type MovingStatus,
  type PoolStatus,
  type ScrubbingStatus,
  VHOST_SOCKET,
  type VolumeLimits,
} from './control/messages.ts'
import type { StorageObserved } from './observed.ts'

/** A pool as it is seen on a host. */
export interface PoolHealth {
  readonly phase: PoolStatus['state']['phase'] | 'silent'
  /** Why it does not serve. */
  readonly reason?: { readonly code: string; readonly message: string }
  readonly policy?: string
  readonly sizeBytes: number
  readonly usedBytes: number
  /** What the disks can hold of volumes' bytes, with their redundancy. */
  readonly usableBytes: number
  /** What volumes may grow to. */
  readonly provisionedBytes: number
  /** Stripes that lack shards, to be made whole by recovery. */
  readonly shortStripes: number
  readonly repairedChunks: number
  readonly disks: readonly Omit<DiskStatus, 'disk'>[]
  readonly moving?: MovingStatus
  /** The scrub that runs. */
  readonly scrubbing?: ScrubbingStatus
  readonly scrub?: ScrubRecord
}

/** What is known of a pool's scrubs; times in milliseconds since 1970. */
export interface ScrubRecord {
  readonly firstSeenAtMs: number
  /** When one ended that has read the map. */
  readonly metadataAtMs?: number
  /** When one ended that has read everything. */
  readonly deepAtMs?: number
  /** When one failed, where none has ended since. */
  readonly failedAtMs?: number
  readonly running?: { readonly deep: boolean; readonly startedAtMs: number }
  /** What the last one found. */
  readonly last?: {
    readonly deep: boolean
    readonly tookMs: number
    readonly pages: number
    readonly stripes: number
    readonly repaired: number
    readonly lost: number
  }
}

/** A volume or snapshot as it is seen on a host. */
export interface VolumeHealth {
  readonly pool: string
  readonly sizeBytes: number
  readonly parent?: string
  /** Milliseconds since 1970; of snapshots. */
  readonly takenAtMs?: number
  /** Where a volume is served over NBD. */
  readonly socket?: string
  /** Where QEMU has it by vhost-user, where the daemon offers that. */
  readonly vhostSocket?: string
  readonly clients: number
  /** What it may use, where the agent has told the daemon since the daemon's start. */
  readonly limits?: VolumeLimits
  /** It is being copied from another pool. */
  readonly copying: boolean
  /** How far the copy is that runs, of what was written in its source. */
  readonly copy?: { readonly copiedBytes: number; readonly totalBytes: number }
}

/** All that is seen of a host's storage. */
export interface StorageHealth {
  /** Absent: a daemon answers. */
  readonly trouble?: string
  readonly pools: ReadonlyMap<string, PoolHealth>
  /** Volumes and snapshots by their names, which are unique together. */
  readonly volumes: ReadonlyMap<string, VolumeHealth>
}

/** What is observed, as resources show it. Shape: `sockets` is the daemon's folder. Pure. */
export function storageHealth(
  observed: StorageObserved,
  sockets: string,
  scrubOf: (pool: string) => ScrubRecord | undefined = () => undefined,
): StorageHealth {
  const pools = observed.daemon?.pools ?? []
  const healthOf = (pool: PoolStatus): PoolHealth => {
    const scrub = scrubOf(pool.name)
    return { ...poolHealth(pool), ...(scrub !== undefined && { scrub }) }
  }
  return {
    ...(observed.trouble !== undefined && { trouble: observed.trouble }),
    pools: new Map(pools.map((pool) => [pool.name, healthOf(pool)])),
    volumes: new Map(pools.flatMap((pool) => volumesOf(pool, sockets, observed))),
  }
}

function poolHealth({ state, engine }: PoolStatus): PoolHealth {
  const { phase, code, message } = state
  const silent = phase === 'running' && engine === undefined
  const disks = (engine?.disks ?? []).map(({ disk: _number, ...rest }) => rest)
  const sum = (of: (disk: (typeof disks)[number]) => number): number =>
    disks.reduce((total, disk) => total + of(disk), 0)
  return {
    phase: silent ? 'silent' : phase,
    ...(phase === 'failed' && { reason: { code: code ?? '', message: message ?? '' } }),
    ...(engine && { policy: engine.policy }),
    sizeBytes: sum(({ sizeBytes }) => sizeBytes),
    usableBytes: Math.floor(
      sum(({ sizeBytes }) => sizeBytes) * (engine === undefined ? 0 : efficiencyOf(engine.policy)),
    ),
    usedBytes: sum(({ usedBytes }) => usedBytes),
    provisionedBytes: engine?.provisionedBytes ?? 0,
    shortStripes: engine?.shortStripes ?? 0,
    repairedChunks: engine?.repairedChunks ?? 0,
    disks,
    ...(engine?.moving && { moving: engine.moving }),
    ...(engine?.scrub && { scrubbing: engine.scrub }),
  }
}

/** Which part of the disks a policy leaves to what is stored: `replicas 3` a third, `4+2:1` two
 *  thirds. Pure. */
export function efficiencyOf(policy: string): number {
  const [, replicas] = /^replicas (\d+)$/.exec(policy) ?? []
  if (replicas !== undefined) return 1 / Number(replicas)
  const [, data, parity] = /^(\d+)\+(\d+)/.exec(policy) ?? []
  return data === undefined ? 0 : Number(data) / (Number(data) + Number(parity))
}

function volumesOf(
  { name: pool, engine, reactor }: PoolStatus,
  sockets: string,
  { limits, vhostUser }: Pick<StorageObserved, 'limits' | 'vhostUser'>,
): (readonly [string, VolumeHealth])[] {
  const volumes = engine?.volumes ?? []
  const names = new Set(volumes.map(({ name }) => name))
  return volumes
    .filter(({ name }) => !name.includes(':'))
    .map(({ name, sizeBytes, parent, snapshot, timeSeconds, copy }) => {
      const limited = limits.get(name)
      const health = {
        pool,
        sizeBytes,
        ...(parent !== null && { parent }),
        ...(timeSeconds !== null && { takenAtMs: timeSeconds * 1_000 }),
        ...(!snapshot && { socket: `${sockets}/${name}.sock` }),
        ...(vhostUser.has(name) && { vhostSocket: `${sockets}/${name}${VHOST_SOCKET}` }),
        clients: reactor?.clients[name] ?? 0,
        ...(limited !== undefined && { limits: JSON.parse(limited) as VolumeLimits }),
        copying: names.has(`${COPYING}${name}`),
        ...(copy && { copy }),
      }
      return [name, health] as const
    })
}
