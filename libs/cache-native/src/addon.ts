import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { PurlinError } from '@purlin/base'

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

/** Where the addon lies: beside `src` and `dist` in the repository, beside the bundle in a
 *  package. */
const file = `cache-binding.linux-${process.arch}-gnu.node`
const candidates = [`../native/${file}`, `./native/${file}`]

let loaded: CacheAddon | undefined

/** The addon, loaded by path at the first call. Errors: PUR_NATIVE_MISSING. */
export function cacheAddon(): CacheAddon {
  loaded ??= load()
  return loaded
}

function load(): CacheAddon {
  const paths = candidates.map((candidate) => fileURLToPath(new URL(candidate, import.meta.url)))
  const path = paths.find((candidate) => existsSync(candidate))
  if (path === undefined) {
    const command = 'node --conditions=purlin-source tools/native/build.ts cache-native'
    throw new PurlinError('PUR_NATIVE_MISSING', {
      message: `SSD cache: no addon at ${paths.join(' or ')}; build it by \`${command}\``,
      context: { paths },
    })
  }
  return createRequire(import.meta.url)(path)
}
