import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { PurlinError } from '@purlin/base'

const INSTALLED = '/usr/lib/purlin/bin/purlin-blockd'
const BUILT = new URL('../../../../target/release/purlin-blockd', import.meta.url)

/** Where the block daemon's program lies: of its package, or built in a clone. Errors:
 *  PUR_NATIVE_MISSING. */
export function blockDaemonProgram(): string {
  const paths = [INSTALLED, fileURLToPath(BUILT)]
  const found = paths.find((path) => existsSync(path))
  if (found !== undefined) return found
  throw new PurlinError('PUR_NATIVE_MISSING', {
    message: `no block daemon at ${paths.join(' or ')}; install purlin-blockd`,
  })
}
