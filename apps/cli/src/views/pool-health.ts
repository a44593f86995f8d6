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
}

/** What the status of a pool shows beside its conditions; absent fields have not been seen. */
export interface PoolStatus {
  readonly phase?: string
  readonly policy?: string
  readonly sizeBytes?: number
  readonly usedBytes?: number
  readonly provisionedBytes?: number
  readonly shortStripes?: number
  readonly repairedChunks?: number
  readonly disks?: readonly SeenDisk[]
}

/** The own fields of a pool's status. Pure. */
export function poolStatus({ status }: Resource<'StoragePool'>): PoolStatus {
  return status as PoolStatus
}
