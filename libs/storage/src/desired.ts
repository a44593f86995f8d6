import type { SpecOf } from '@purlin/schema'
import type { VolumeLimits } from './control/messages.ts'

/** A pool of the embedded engine; paths of its disks are absolute. */
export interface PoolDesired {
  readonly name: string
  readonly spec: SpecOf<'StoragePool'>
}

export interface VolumeDesired {
  readonly name: string
  readonly pool: string
  /** Whole blocks of 4096 bytes; absent: that of its source. */
  readonly sizeBytes?: number
  /** A machine has it for a disk over NBD. */
  readonly attached: boolean
  readonly source?: { readonly snapshot: string; readonly linked: boolean }
  readonly limits: VolumeLimits
}

export interface SnapshotDesired {
  readonly name: string
  readonly volume: string
  /** It is kept where it stands, and not made: somebody else says when. */
  readonly kept?: true
}

/** What the block daemon of a host should serve. Volumes stand before their clones and snapshots
 *  in no particular order: the plan finds it. */
export interface StorageDesired {
  readonly topologies: readonly { readonly name: string; readonly spec: SpecOf<'Topology'> }[]
  readonly pools: readonly PoolDesired[]
  readonly volumes: readonly VolumeDesired[]
  readonly snapshots: readonly SnapshotDesired[]
}

/** Nothing. */
export const NO_STORAGE: StorageDesired = { topologies: [], pools: [], volumes: [], snapshots: [] }
