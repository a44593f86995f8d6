import { createRequire } from 'node:module'
import { findAddon } from '@purlin/base'

/** An operating error as the addon returns it. */
export interface EcFailure {
  readonly code: 'PUR_EC_INVALID' | 'PUR_EC_TOO_FEW_SHARDS'
  readonly message: string
  readonly context: Readonly<Record<string, number>>
}

export interface RebuiltShard {
  readonly index: number
  readonly bytes: Uint8Array
}

/** The functions of `crates/ec-binding`. */
export interface EcAddon {
  checkGeometry(dataShards: number, parityShards: number): EcFailure | null
  encode(
    dataShards: number,
    parityShards: number,
    shards: readonly Uint8Array[],
  ): readonly Uint8Array[] | EcFailure
  reconstruct(
    dataShards: number,
    parityShards: number,
    shards: readonly (Uint8Array | null)[],
  ): readonly RebuiltShard[] | EcFailure
}

let loaded: EcAddon | undefined

/** The addon, loaded by path at the first call. Errors: PUR_NATIVE_MISSING. */
export function ecAddon(): EcAddon {
  loaded ??= createRequire(import.meta.url)(
    findAddon({
      purpose: 'erasure coding',
      library: 'ec-native',
      binding: 'ec-binding',
      from: import.meta.url,
      folders: ['../native/', './native/'],
    }),
  ) as EcAddon
  return loaded
}
