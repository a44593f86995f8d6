import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { PurlinError } from '@purlin/base'

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

/** Where the addon lies: beside `src` and `dist` in the repository, beside the bundle in a
 *  package. */
const file = `ec-binding.linux-${process.arch}-gnu.node`
const candidates = [`../native/${file}`, `./native/${file}`]

let loaded: EcAddon | undefined

/** The addon, loaded by path at the first call. Errors: PUR_NATIVE_MISSING. */
export function ecAddon(): EcAddon {
  loaded ??= load()
  return loaded
}

function load(): EcAddon {
  const paths = candidates.map((candidate) => fileURLToPath(new URL(candidate, import.meta.url)))
  const path = paths.find((candidate) => existsSync(candidate))
  if (path === undefined) {
    const command = 'node --conditions=purlin-source tools/native/build.ts ec-native'
    throw new PurlinError('PUR_NATIVE_MISSING', {
      message: `erasure coding: no addon at ${paths.join(' or ')}; build it by \`${command}\``,
      context: { paths },
    })
  }
  return createRequire(import.meta.url)(path)
}
