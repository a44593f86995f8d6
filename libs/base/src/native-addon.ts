import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { PurlinError } from './errors/purlin-error.ts'

export interface NativeAddon {
  /** What it is for, in words: `erasure coding`. */
  readonly purpose: string
  /** The library that carries it: `ec-native` of libs/ec-native. */
  readonly library: string
  /** Its crate without `purlin-`: `ec-binding`. */
  readonly binding: string
  /** `import.meta.url` of the module that asks, and the way from its folder to `native`, first that
   *  of the sources, then that of a bundle. */
  readonly from: string
  readonly folders: readonly string[]
}

/** Path of a built addon: beside the sources in the repository, beside the bundle in a package.
 *  Errors: PUR_NATIVE_MISSING with the paths looked at and the command that builds it. */
export function findAddon({ purpose, library, binding, from, folders }: NativeAddon): string {
  const file = `${binding}.linux-${process.arch}-gnu.node`
  const paths = folders.map((folder) => fileURLToPath(new URL(`${folder}${file}`, from)))
  const path = paths.find((candidate) => existsSync(candidate))
  if (path !== undefined) return path
  const command = `node --conditions=purlin-source tools/native/build.ts ${library}`
  throw new PurlinError('PUR_NATIVE_MISSING', {
    message: `${purpose}: no addon at ${paths.join(' or ')}; build it by \`${command}\``,
    context: { paths },
  })
}
