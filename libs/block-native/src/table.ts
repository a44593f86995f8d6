import { answered, blockAddon, type MovementOutput, type SurvivalOutput } from './addon.ts'
import {
  diskInputs,
  type FaultDomain,
  type PlacementDisk,
  type PlacementTopology,
  policyInput,
  type Redundancy,
} from './disks.ts'
import { redundancyOf } from './offers.ts'

/** How far a shard moves, the shortest way first. */
export const distances = ['server', 'rack', 'room', 'across'] as const

/** Bytes for each distance. */
type ByDistance = Readonly<Record<(typeof distances)[number], number>>

/** What a change of a table moves. */
export interface Movement {
  readonly movedBytes: ByDistance
  /** What any placement would have to move for every disk to hold its share. */
  readonly leastBytes: ByDistance
  /** Copies that were not there before, of a larger number of replicas. */
  readonly createdBytes: number
  readonly storedBytes: number
}

/** What a pool places. */
export interface PoolPlacement {
  readonly topology: PlacementTopology
  readonly disks: readonly PlacementDisk[]
  readonly redundancy: Redundancy
  readonly faultDomain: FaultDomain
}

/** What is survived when things of one level fail, of what is really placed. */
export interface SurvivalAt {
  readonly level: FaultDomain
  /** How many there are. */
  readonly domains: number
  /** Any so many of them can fail. */
  readonly any: number
  /** Single disks that can fail as well, beside 0, 1, .. `any` of them. */
  readonly disksBeside: readonly number[]
  /** A smallest set that is too much, each by the number of one of its disks. */
  readonly fatal: readonly number[]
  /** How many sets of that size are too much; undefined where counting takes too long. */
  readonly fatalSets?: { readonly count: number; readonly of: number }
  /** A largest set that is survived. */
  readonly largest: readonly number[]
  /** No set of more is survived; the size of `largest` where the search was exhaustive. */
  readonly largestAtMost: number
}

/** A table in figures. */
export interface Explanation {
  readonly epoch: number
  readonly redundancy: Redundancy
  readonly faultDomain: FaultDomain
  readonly placementGroups: number
  /** Different sets of disks among them. */
  readonly diskSets: number
  /** Places whose shards have not all been moved yet. */
  readonly transitions: number
  /** Bytes of volumes when the first disk is full, and the most that any placement could hold. */
  readonly usableBytes: number
  readonly bestUsableBytes: number
  readonly disks: readonly {
    readonly id: number
    readonly group: number
    readonly capacityBytes: number
    readonly placementGroups: number
  }[]
  readonly survival: readonly SurvivalAt[]
}

/** What rebuilding lost disks asks of the others. */
export interface PlannedRebuild {
  /** Largest over mean of the bytes that a disk reads and writes, and the least it could be. */
  readonly spread: number
  readonly leastSpread: number
  readonly disks: readonly { readonly id: number; readonly bytes: number }[]
}

/** Where the stripes of a pool go: a value. */
export class PlacementTable {
  /** Its bytes, with version and CRC-32C; laid out in `table_bytes.rs`. */
  readonly bytes: Uint8Array

  private constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  /** The table of a new pool; the same arguments give the same table.
   *  Errors: PUR_BLOCK_TOPOLOGY, PUR_BLOCK_PLACEMENT. */
  static create(pool: PoolPlacement, seed = 0): PlacementTable {
    const { topology, disks, redundancy, faultDomain } = pool
    const policy = policyInput(redundancy)
    const bytes = blockAddon().placementTable(
      topology.roots,
      diskInputs(disks),
      policy,
      faultDomain,
      seed,
    )
    return new PlacementTable(answered(bytes))
  }

  /** A table from its bytes. Errors: PUR_BLOCK_PLACEMENT_TABLE. */
  static read(bytes: Uint8Array): PlacementTable {
    const table = new PlacementTable(bytes)
    table.explain()
    return table
  }

  /** The table after a change of `pool`, and what it moves when `storedBytes` lie in it.
   *  Errors: PUR_BLOCK_TOPOLOGY, PUR_BLOCK_PLACEMENT. */
  replan(
    pool: PoolPlacement,
    expand: 'newGroup' | 'rebalance',
    storedBytes: number,
  ): { readonly table: PlacementTable; readonly movement: Movement } {
    const { table, movement } = answered(
      blockAddon().replanPlacement(
        this.bytes,
        pool.topology.roots,
        diskInputs(pool.disks),
        policyInput(pool.redundancy),
        pool.faultDomain,
        expand,
        Math.floor(storedBytes),
      ),
    )
    return { table: new PlacementTable(table), movement: movementOf(movement) }
  }

  /** Errors: PUR_BLOCK_PLACEMENT where the disks that are left cannot hold whole stripes. */
  rebuild(lost: readonly number[], storedBytes: number): PlannedRebuild {
    const answer = blockAddon().rebuildPlacement(this.bytes, lost, Math.floor(storedBytes))
    const { spread, leastSpread, disks, diskBytes } = answered(answer)
    return {
      spread,
      leastSpread,
      disks: disks.map((id, index) => ({ id, bytes: diskBytes[index] ?? 0 })),
    }
  }

  /** Errors: PUR_BLOCK_PLACEMENT_TABLE. */
  explain(): Explanation {
    const { policy, level, survival, ...figures } = answered(
      blockAddon().explainPlacement(this.bytes),
    )
    return {
      ...figures,
      redundancy: redundancyOf(policy),
      faultDomain: level as FaultDomain,
      survival: survival.map(survivalOf),
    }
  }
}

function survivalOf(output: SurvivalOutput): SurvivalAt {
  const { level, fatalSets, setsOfThatSize, ...figures } = output
  return {
    ...figures,
    level: level as FaultDomain,
    ...(fatalSets !== undefined &&
      setsOfThatSize !== undefined && { fatalSets: { count: fatalSets, of: setsOfThatSize } }),
  }
}

function movementOf(output: MovementOutput): Movement {
  const byDistance = ([server = 0, rack = 0, room = 0, across = 0]: readonly number[]) => ({
    ...{ server, rack, room, across },
  })
  return {
    movedBytes: byDistance(output.movedBytes),
    leastBytes: byDistance(output.leastBytes),
    createdBytes: output.createdBytes,
    storedBytes: output.storedBytes,
  }
}
