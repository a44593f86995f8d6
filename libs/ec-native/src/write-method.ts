/** How the new parity of a stripe is made: `full` encodes and reads nothing; `delta` reads the old
 *  bytes of what changes and the old parity; `reconstruct` reads the data that does not change. */
export type WriteMethod = 'full' | 'delta' | 'reconstruct'

/** A write that changes part of a stripe, by indices of shards. */
export interface PartialWrite {
  /** The data shards that get new bytes. */
  readonly changed: readonly number[]
  /** The shards whose old bytes are at hand; none where absent. */
  readonly cached?: readonly number[]
  /** The shards that can be neither read nor written; none where absent. */
  readonly lost?: readonly number[]
}

/** A method with what it reads and writes, by ascending indices of shards. */
export interface WritePlan {
  readonly method: WriteMethod
  /** The shards to read that are not cached. */
  readonly reads: readonly number[]
  /** The data shards that do not change, are lost, and must be rebuilt for the encoding. */
  readonly rebuilds: readonly number[]
  /** The changed data and the parity, without the lost ones. */
  readonly writes: readonly number[]
}
