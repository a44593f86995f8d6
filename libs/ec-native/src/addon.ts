import { createRequire } from 'node:module'
import { findAddon, PurlinError } from '@purlin/base'
import type { EcFailure } from './errors.ts'

/** What `perform` does, with its inputs and its outputs:
 *  0 encode: data; parity
 *  1 verify: data and parity; none
 *  2 update data shard `index`: its old and its new bytes; parity
 *  3 apply a delta of data shard `index`: the delta; parity
 *  4 accumulate data shard `index`: the shard; parity
 *  5 reconstruct by a plan: its sources; its wanted shards
 *  6 accumulate source `index` of a plan: the shard; its wanted shards */
export const operations = {
  encode: 0,
  verify: 1,
  update: 2,
  applyDelta: 3,
  accumulate: 4,
  reconstruct: 5,
  accumulatePlan: 6,
} as const

export type Operation = (typeof operations)[keyof typeof operations]

/** Parity rows that differ for `verify`, else nothing; or what went wrong. */
export type Outcome = readonly number[] | EcFailure | null

/** A codec of the addon. */
export interface CodecHandle {
  readonly handle: number
  readonly technique: string
  readonly kernel: string
}

/** A decode plan of the addon. */
export interface PlanHandle {
  readonly handle: number
  readonly sources: readonly number[]
}

/** How a partial write is done best. */
export interface WritePlanOutput {
  readonly method: string
  readonly reads: readonly number[]
  readonly rebuilds: readonly number[]
  readonly writes: readonly number[]
}

/** Figures of a folded policy. */
export interface FoldingOutput {
  readonly dataShards: number
  readonly parityShards: number
  readonly domainFailures: number
  readonly shardsPerDomain: number
  readonly domainsMin: number
}

/** The functions of `crates/ec-binding`. Handles are those of the calling thread. */
export interface EcAddon {
  createCodec(
    dataShards: number,
    parityShards: number,
    technique: string | null,
    store: string | null,
  ): CodecHandle | EcFailure
  releaseCodec(handle: number): void
  planDecode(
    handle: number,
    present: readonly number[],
    wanted: readonly number[],
  ): PlanHandle | EcFailure
  releasePlan(handle: number): void
  /** Works in the calling thread on borrowed memory. */
  perform(
    operation: Operation,
    handle: number,
    index: number,
    inputs: readonly Uint8Array[],
    outputs: readonly Uint8Array[],
  ): Outcome
  /** Works in the pool, on memory of `allocate` alone; null where other memory is given, and then
   *  nothing was done. */
  performInPool(
    operation: Operation,
    handle: number,
    index: number,
    inputs: readonly Uint8Array[],
    outputs: readonly Uint8Array[],
  ): Promise<Outcome> | null
  /** Makes the shards `wanted` out of `inputs`, which are the shards `present`; both are lists
   *  of indices, which fit a byte. */
  reconstruct(
    handle: number,
    present: Uint8Array,
    wanted: Uint8Array,
    inputs: readonly Uint8Array[],
    outputs: readonly Uint8Array[],
  ): Outcome
  encodeStripe(handle: number, stripe: Uint8Array, shardBytes: number): EcFailure | undefined
  encodeBatch(handle: number, arena: Uint8Array, shardBytes: number): EcFailure | null
  encodeBatchInPool(handle: number, arena: Uint8Array, shardBytes: number): Promise<Outcome> | null
  /** Zeroed memory that begins at a multiple of 4096. */
  allocate(sizeBytes: number): Uint8Array | EcFailure
  crc32c(bytes: Uint8Array, initial: number): number
  digest(handle: number, shard: Uint8Array): Uint8Array | EcFailure
  verifyDigests(
    handle: number,
    data: readonly Uint8Array[],
    parity: readonly Uint8Array[],
  ): readonly number[] | EcFailure
  writeMethod(
    handle: number,
    changed: readonly number[],
    cached: readonly number[],
    lost: readonly number[],
  ): WritePlanOutput | EcFailure
  foldPolicy(policy: string): FoldingOutput | EcFailure
  foldingSurvives(policy: string, domains: number, shards: number): boolean
  foldingSpread(policy: string, domains: number): readonly number[] | null
}

let loaded: EcAddon | undefined

/** The addon, loaded at the first call: that of the repository or beside the bundle, else the
 *  prebuilt package of this machine. Errors: PUR_NATIVE_MISSING. */
export function ecAddon(): EcAddon {
  loaded ??= load()
  return loaded
}

function load(): EcAddon {
  const require = createRequire(import.meta.url)
  try {
    return require(
      findAddon({
        purpose: 'erasure coding',
        library: 'ec-native',
        binding: 'ec-binding',
        from: import.meta.url,
        folders: ['../native/', './native/'],
      }),
    ) as EcAddon
  } catch (thrown) {
    if (!(thrown instanceof PurlinError) || thrown.code !== 'PUR_NATIVE_MISSING') throw thrown
    return prebuilt(require) ?? fail(thrown)
  }
}

/** npm installs the package of the machine it runs on alone. */
function prebuilt(require: NodeJS.Require): EcAddon | undefined {
  try {
    return require(`@purlin/ec-native-linux-${process.arch}-gnu`) as EcAddon
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined
    throw thrown
  }
}

function fail(error: PurlinError): never {
  throw error
}
