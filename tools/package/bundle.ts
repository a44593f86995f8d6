import { join } from 'node:path'
import { build } from 'esbuild'
import { repository } from '../repository.ts'

/** Dependencies written for CommonJS call `require`, which a module of its own has not. */
const REQUIRE_BANNER =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);"

/** Makes one file of a program and of all it imports, without the native addons, which are found by
 *  path when the program runs. `entry` is relative to the repository. Errors: those of esbuild,
 *  with file and line. */
export async function bundle(entry: string, output: string): Promise<void> {
  await build({
    entryPoints: [join(repository, entry)],
    outfile: output,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    conditions: ['purlin-source'],
    banner: { js: REQUIRE_BANNER },
    legalComments: 'eof',
    external: ['*.node'],
    logLevel: 'warning',
  })
}
