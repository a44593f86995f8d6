import type { Resource } from '@purlin/schema'

/** A disk of a pool as its status has it. */
export interface SeenDisk {
  readonly name: string
  /** From the data centre down to the level that must differ. */
  readonly domains: readonly string[]
  readonly state: string
  readonly sizeBytes: number
  readonly usedBytes: number
  readonly errors: number
  readonly media?: string
  readonly movedBytes?: number
}

/** Bytes that go from one disk to another, by how far. */
export interface SeenDistances {
  readonly server: number
  readonly rack: number
  readonly room: number
  readonly across: number
}

/** How the moving of stripes is going, as a pool's status has it. */
export interface SeenMoving {
  readonly rebalance: 'idle' | 'running' | 'paused' | 'held'
  readonly movedBytes: SeenDistances
  readonly leastBytes: SeenDistances
  readonly rebuiltBytes: number
  readonly rewrittenBytes: number
  readonly plannedBytes: number
}

/** What a pool's status says of its scrubs; times in milliseconds since 1970. */
export interface SeenScrub {
  readonly metadataAtMs?: number
  readonly deepAtMs?: number
  readonly running?: { readonly deep: boolean; readonly startedAtMs: number }
  readonly last?: { readonly repaired: number; readonly lost: number }
}

/** The scrub that runs, as a pool's status has it. */
export interface SeenScrubbing {
  readonly deep: boolean
  readonly paused: boolean
  readonly walkedBytes: number
  readonly plannedBytes: number
}

/** What the status of a pool shows beside its conditions; absent fields have not been seen. */
export interface PoolStatus {
  readonly phase?: string
  readonly policy?: string
  readonly sizeBytes?: number
  readonly usedBytes?: number
  /** What the disks can hold of volumes' bytes. */
  readonly usableBytes?: number
  readonly provisionedBytes?: number
  readonly shortStripes?: number
  readonly repairedChunks?: number
  readonly disks?: readonly SeenDisk[]
  readonly scrub?: SeenScrub
  readonly scrubbing?: SeenScrubbing
  readonly moving?: SeenMoving
}

/** The own fields of a pool's status. Pure. */
export function poolStatus({ status }: Resource<'StoragePool'>): PoolStatus {
  return status as PoolStatus
}
