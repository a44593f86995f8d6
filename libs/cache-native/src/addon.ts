import { createRequire } from 'node:module'
import { findAddon } from '@purlin/base'

/** An operating error as the addon returns it. */
export interface CacheFailure {
  readonly code:
    | 'PUR_CACHE_INVALID'
    | 'PUR_CACHE_VERSION'
    | 'PUR_CACHE_SUPERBLOCK_LOST'
    | 'PUR_CACHE_TRACE'
    | 'PUR_CANCELLED'
  readonly message: string
}

/** The fields of a superblock as they cross to Rust and back. */
export interface NativeFields {
  readonly cacheId: string
  readonly generation: bigint
  readonly deviceSizeBytes: bigint
  readonly lineSizeBytes: number
}

export interface NativeReading {
  readonly fields: NativeFields
  readonly damagedCopy?: 'first' | 'second'
}

/** The functions of `crates/cache-binding`. */
export interface CacheAddon {
  encodeSuperblock(fields: NativeFields): Uint8Array | CacheFailure
  decodeSuperblock(region: Uint8Array): NativeReading | CacheFailure
  traceKinds(): string[]
  Simulation: new () => NativeSimulation
}

/** Where a simulation's requests come from: a file, or a kind of made trace. */
export interface NativeTraceSource {
  readonly path?: string
  readonly format?: string
  readonly kind?: string
  readonly seed?: number
  readonly requests?: number
}

/** What one policy did at one size of the cache. */
export interface SimulationRow {
  /** `purlin` is ours. */
  readonly policy: string
  /** The size of the cache as percent of the trace’s distinct pages. */
  readonly percent: number
  /** Requests that were not in the cache, of all requests. */
  readonly missRatio: number
  /** Pages written to flash, of all requests. */
  readonly flashWritesPerRequest: number
  /** Memory of index, queues and ghosts in bytes. */
  readonly metadataBytes: number
}

/** A trace’s rows and what it is. */
export interface SimulationOutcome {
  readonly requests: number
  readonly distinctPages: number
  /** Every policy at every size, in the order of the sizes. */
  readonly rows: readonly SimulationRow[]
}

/** What a cache of one mode and size would have done for a trace. */
export interface AdviceRow {
  readonly mode: 'writethrough' | 'writeback'
  /** The size as percent of the trace’s distinct pages. */
  readonly percent: number
  /** The SSD that it takes, spare blocks and metadata too. */
  readonly sizeBytes: number
  /** Reads that the disk did not see, of all reads. */
  readonly hitRatio: number
  /** Requests to the disk, destage too, of all requests. */
  readonly diskRequestsPerRequest: number
  /** Blocks of 4096 bytes written to the SSD, metadata too, of all requests. */
  readonly flashWritesPerRequest: number
}

/** The advice for a trace, and what the trace is. */
export interface AdviceOutcome {
  readonly requests: number
  readonly distinctPages: number
  /** Every mode at every size, in the order of the sizes. */
  readonly rows: readonly AdviceRow[]
}

/** A simulation that runs in a thread of the pool and can be stopped. */
export interface NativeSimulation {
  run(source: NativeTraceSource, percents: number[]): Promise<SimulationOutcome | CacheFailure>
  advise(source: NativeTraceSource, percents: number[]): Promise<AdviceOutcome | CacheFailure>
  stop(): void
}

let loaded: CacheAddon | undefined

/** The addon, loaded by path at the first call. Errors: PUR_NATIVE_MISSING. */
export function cacheAddon(): CacheAddon {
  loaded ??= createRequire(import.meta.url)(
    findAddon({
      purpose: 'SSD cache',
      library: 'cache-native',
      binding: 'cache-binding',
      from: import.meta.url,
      folders: ['../native/', './native/'],
    }),
  ) as CacheAddon
  return loaded
}
