import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A Node-API addon: the crate `libs/<library>/crates/<crate>`, whose folder's name ends in
 *  `-binding`. */
export interface Addon {
  readonly library: string
  readonly crateFolder: string
  /** Cargo's name of the package. */
  readonly packageName: string
}

/** Finds the addons of the repository, in order of their libraries. */
export async function findAddons(repository: string): Promise<readonly Addon[]> {
  const addons: Addon[] = []
  for (const library of (await readdir(join(repository, 'libs'))).sort()) {
    const crates = join(repository, 'libs', library, 'crates')
    const folders = await readdir(crates).catch(() => [])
    for (const crateFolder of folders.filter((name) => name.endsWith('-binding'))) {
      const manifest = await readFile(join(crates, crateFolder, 'Cargo.toml'), 'utf8')
      const packageName = /^name = "(.+)"$/m.exec(manifest)?.[1] ?? crateFolder
      addons.push({ library, crateFolder, packageName })
    }
  }
  return addons
}

/** The folder that holds what is built of `addon`; git-ignored. */
export function outputFolder(repository: string, addon: Addon): string {
  return join(repository, 'libs', addon.library, 'native')
}

/** The addon's file, named for the machine it is built on, as the other packages of Node-API
 *  name theirs. */
function fileName(addon: Addon): string {
  return `${addon.crateFolder}.linux-${process.arch}-gnu.node`
}

/** Puts the built library of `addon` into its output folder: a `.node` file, which can be loaded
 *  by its path alone, `index.js`, which re-exports it by name, and `index.d.ts`, made of the
 *  Rust documentation. */
export async function placeAddon(
  repository: string,
  addon: Addon,
  typeFolder: string,
): Promise<void> {
  const folder = outputFolder(repository, addon)
  await mkdir(folder, { recursive: true })
  const library = `lib${addon.packageName.replaceAll('-', '_')}.so`
  // Files of other names are of another state of the repository. A running process may have the old
  // file mapped, so it is replaced and never written into.
  const file = join(folder, fileName(addon))
  await copyFile(join(repository, 'target/release', library), `${file}.new`)
  await rename(`${file}.new`, file)
  for (const name of await readdir(folder)) {
    if (name.endsWith('.node') && name !== fileName(addon)) await rm(join(folder, name))
  }

  const ownTypes = join(typeFolder, `${addon.packageName}.d`)
  await mkdir(ownTypes, { recursive: true })
  await copyFile(join(typeFolder, addon.packageName), join(ownTypes, addon.packageName))
  const { generateTypeDef } = await import('@napi-rs/cli')
  const types = await generateTypeDef({ typeDefDir: ownTypes, cwd: folder })
  await writeFile(join(folder, 'index.d.ts'), types.dts)
  await writeFile(join(folder, 'index.js'), loader(addon, types.exports))
}

function loader(addon: Addon, exports: readonly string[]): string {
  return [
    "import { createRequire } from 'node:module'",
    '',
    `const addon = createRequire(import.meta.url)('./${fileName(addon)}')`,
    `export const { ${exports.join(', ')} } = addon`,
    '',
  ].join('\n')
}
