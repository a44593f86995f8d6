import { copyFile, readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { PurlinError, run } from '@purlin/base'

const TIMEOUT_MS = 30_000

/** Copies the shared libraries that `programs` need into the guest's `tree`, out of the packages
 *  unpacked in `root` and never of this machine: the program loader to /lib64, the others to
 *  /lib/x86_64-linux-gnu.
 *  Errors: PUR_INTERNAL when no package has a library. */
export async function copyLibraries(
  root: string,
  tree: string,
  programs: readonly string[],
): Promise<void> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const pathOf = new Map(entries.map((entry) => [entry.name, join(entry.parentPath, entry.name)]))
  const wanted = new Set<string>()
  const files = [...programs]
  for (const file of files) {
    for (const library of await neededLibraries(file)) {
      if (wanted.has(library)) continue
      wanted.add(library)
      const source = pathOf.get(library)
      if (source === undefined) {
        throw new PurlinError('PUR_INTERNAL', {
          message: `${library}, which ${basename(file)} needs, is in none of the guest's packages`,
        })
      }
      const folder = library.startsWith('ld-linux') ? 'lib64' : 'lib/x86_64-linux-gnu'
      await copyFile(source, join(tree, folder, library))
      files.push(source)
    }
  }
}

async function neededLibraries(file: string): Promise<readonly string[]> {
  const { stdout } = await run('readelf', ['-d', file], { timeoutMs: TIMEOUT_MS })
  return [...stdout.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, library = '']) => library)
}
