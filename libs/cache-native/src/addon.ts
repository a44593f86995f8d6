import { createRequire } from 'node:module'
import { findAddon } from '@purlin/base'

/** An operating error as the addon returns it. */
export interface CacheFailure {
  readonly code: 'PUR_CACHE_INVALID' | 'PUR_CACHE_VERSION' | 'PUR_CACHE_SUPERBLOCK_LOST'
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
