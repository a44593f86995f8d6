import { createRequire } from 'node:module'
import { findAddon, PurlinError } from '@purlin/base'

/** An operating error as the addon returns it. */
interface BlockFailure {
  readonly code:
    | 'PUR_BLOCK_TOPOLOGY'
    | 'PUR_BLOCK_PLACEMENT'
    | 'PUR_BLOCK_PLACEMENT_TABLE'
    | 'PUR_INTERNAL'
  readonly message: string
}

/** A disk as it crosses to Rust. */
export interface DiskInput {
  readonly id: number
  readonly server: string
  readonly capacityBytes: number
  readonly media: string
}

/** A policy as it crosses to Rust. */
export interface PolicyInput {
  readonly dataShards: number
  readonly parityShards: number
  readonly domainFailures?: number
  readonly replicas: boolean
}

/** A policy as it comes back. */
export interface PolicyOutput {
  /** `replicas 3`, `4+2`, `4+2:1`. */
  readonly name: string
  readonly dataShards: number
  readonly parityShards: number
  readonly domainFailures: number
  readonly replicas: boolean
}

export interface OfferOutput {
  readonly policy: PolicyOutput
  readonly level: string
  readonly domains: number
  readonly domainsMin: number
  readonly shardsPerDomain: number
  readonly usableBytes: number
  readonly strandedBytes: number
  readonly survivesDomains: number
  readonly survivesDisks: number
  readonly spareDomains: number
}

export interface RefusalOutput {
  readonly policy: PolicyOutput
  readonly level: string
  readonly reason: string
}

export interface MovementOutput {
  readonly movedBytes: readonly number[]
  readonly leastBytes: readonly number[]
  readonly createdBytes: number
  readonly storedBytes: number
}

export interface SurvivalOutput {
  readonly level: string
  readonly domains: number
  readonly any: number
  readonly disksBeside: readonly number[]
  readonly fatal: readonly number[]
  readonly fatalSets?: number
  readonly setsOfThatSize?: number
  readonly largest: readonly number[]
  readonly largestAtMost: number
}

export interface ExplanationOutput {
  readonly epoch: number
  readonly policy: PolicyOutput
  readonly level: string
  readonly placementGroups: number
  readonly diskSets: number
  readonly transitions: number
  readonly usableBytes: number
  readonly bestUsableBytes: number
  readonly disks: readonly {
    readonly id: number
    readonly group: number
    readonly capacityBytes: number
    readonly placementGroups: number
  }[]
  readonly survival: readonly SurvivalOutput[]
}

type Roots = readonly object[]

/** The functions of `crates/block-binding`. */
interface BlockAddon {
  placementOffers(
    roots: Roots,
    disks: readonly DiskInput[],
    asked: readonly PolicyInput[],
  ):
    | { readonly offers: readonly OfferOutput[]; readonly refusals: readonly RefusalOutput[] }
    | BlockFailure
  placementTable(
    roots: Roots,
    disks: readonly DiskInput[],
    policy: PolicyInput,
    level: string,
    seed: number,
  ): Uint8Array | BlockFailure
  replanPlacement(
    table: Uint8Array,
    roots: Roots,
    disks: readonly DiskInput[],
    policy: PolicyInput,
    level: string,
    expand: string,
    storedBytes: number,
  ): { readonly table: Uint8Array; readonly movement: MovementOutput } | BlockFailure
  rebuildPlacement(
    table: Uint8Array,
    lost: readonly number[],
    storedBytes: number,
  ):
    | {
        readonly spread: number
        readonly leastSpread: number
        readonly disks: readonly number[]
        readonly diskBytes: readonly number[]
      }
    | BlockFailure
  explainPlacement(table: Uint8Array): ExplanationOutput | BlockFailure
}

let loaded: BlockAddon | undefined

/** The addon, loaded by path at the first call. Errors: PUR_NATIVE_MISSING. */
export function blockAddon(): BlockAddon {
  loaded ??= createRequire(import.meta.url)(
    findAddon({
      purpose: 'block engine',
      library: 'block-native',
      binding: 'block-binding',
      from: import.meta.url,
      folders: ['../native/', './native/'],
    }),
  ) as BlockAddon
  return loaded
}

/** The answer, or its failure thrown with its code. */
export function answered<Value extends object>(answer: Value | BlockFailure): Value {
  if (!('code' in answer)) return answer
  const { code, message } = answer as BlockFailure
  throw new PurlinError(code, { message })
}
