/** Builds the native parts of the repository: `node --conditions=purlin-source
 *  tools/native/build.ts [LIBRARY|probe|bm-agent|blockd ...]`, all of them when none is named.
 *  What is up to date by its key is left alone, without asking cargo. */
import { access, copyFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError } from '@purlin/base'
import { type Addon, findAddons, outputFolder, placeAddon } from './addon.ts'
import { cargoBuild } from './cargo.ts'
import { inputKey } from './input-key.ts'
import { findToolchain, type Toolchain } from './toolchain.ts'

const repository = join(import.meta.dirname, '../..')
const sharedInputs = [
  ...['Cargo.toml', 'Cargo.lock', 'rust-toolchain.toml'],
  ...['tools/native/addon.ts', 'tools/native/build.ts', 'tools/native/cargo.ts'],
]

/** Where the probe lies once it is built: a static program for test guests and for test clients
 *  of a host. */
export const probePath = join(repository, '.purlin/probe/probe')

/** Where the discovery system's program lies once it is built, static as well. */
export const nodePath = join(repository, 'libs/discovery-system/native/purlin-node')

/** Where the agent of installed systems lies once it is built, static as well. */
export const bmAgentPath = join(repository, '.purlin/bm-agent/purlin-bm-agent')

/** Something to build: up to date when the key file in `folder` holds the key of its inputs. */
interface Part {
  readonly name: string
  readonly folder: string
  readonly inputs: readonly string[]
}

function addonPart(addon: Addon): Part {
  return {
    name: addon.library,
    folder: outputFolder(repository, addon),
    inputs: [`libs/${addon.library}/crates`, ...sharedInputs],
  }
}

const probePart: Part = {
  name: 'probe',
  folder: join(probePath, '..'),
  inputs: ['tools/guest/probe', ...sharedInputs],
}

const nodePart: Part = {
  name: 'discovery-system',
  folder: join(nodePath, '..'),
  inputs: ['libs/discovery-system/crates', ...sharedInputs],
}

const bmAgentPart: Part = {
  name: 'bm-agent',
  folder: join(bmAgentPath, '..'),
  inputs: ['apps/bm-agent', ...sharedInputs],
}

/** The block engine's daemon, `target/release/purlin-blockd`. Its key lies in cargo's folder, so
 *  that both go together. */
const blockdPart: Part = {
  name: 'blockd',
  folder: join(repository, 'target/blockd'),
  inputs: [
    ...['libs/block-native/crates', 'libs/ec-native/crates/ec-core'],
    ...['libs/cache-native/crates/cache-core', ...sharedInputs],
  ],
}

/** The key of `part` if it must be built, undefined if what is there was built from the same
 *  inputs. */
async function staleKey(part: Part, toolchain: Toolchain): Promise<string | undefined> {
  const key = await inputKey(repository, part.inputs, [toolchain.description])
  const built = await readFile(join(part.folder, 'key'), 'utf8').catch(() => '')
  return built === key ? undefined : key
}

async function keepKey(part: Part, key: string): Promise<void> {
  await writeFile(join(part.folder, 'key'), key)
}

/** One cargo call for all addons: their common dependencies are compiled once and side by side. */
async function buildAddons(addons: readonly Addon[]): Promise<void> {
  const typeFolder = join(repository, 'target/napi-types')
  await mkdir(typeFolder, { recursive: true })
  const environment: Record<string, string> = { NAPI_TYPE_DEF_TMP_FOLDER: typeFolder }
  for (const { packageName } of addons) {
    // The derive macro writes the types while it compiles; without them the crate is compiled
    // again.
    const exists = await access(join(typeFolder, packageName)).then(
      () => true,
      () => false,
    )
    const variable = `NAPI_FORCE_BUILD_${packageName.toUpperCase().replaceAll('-', '_')}`
    if (!exists) environment[variable] = String(process.pid)
  }
  const packages = addons.flatMap((addon) => ['--package', addon.packageName])
  await cargoBuild(repository, packages, environment)
  for (const addon of addons) await placeAddon(repository, addon, typeFolder)
}

/** A program that runs where no library is: it is linked statically, in a target folder of its own
 *  so that the other flags do not make cargo rebuild everything each time. */
async function buildStatic(
  { triple }: Toolchain,
  crate: string,
  program: string,
  place: string,
): Promise<void> {
  const args = ['--package', crate, '--target-dir', 'target/static', '--target', triple]
  await cargoBuild(repository, args, {
    RUSTFLAGS: '-C target-feature=+crt-static -C strip=symbols',
  })
  await mkdir(join(place, '..'), { recursive: true })
  await copyFile(join(repository, `target/static/${triple}/release/${program}`), `${place}.new`)
  await rename(`${place}.new`, place)
}

async function buildBlockd(): Promise<void> {
  await cargoBuild(repository, ['--package', 'purlin-blockd'], {})
  await mkdir(blockdPart.folder, { recursive: true })
}

/** Brings the named parts (all if none is named) up to date.
 *  Errors: PUR_NATIVE_MISSING without Rust, PUR_EXEC_FAILED when the compiler refuses,
 *  PUR_INVALID for a name. */
export async function buildNative(names: readonly string[]): Promise<void> {
  const addons = await findAddons(repository)
  const parts = [...addons.map(addonPart), probePart, nodePart, bmAgentPart, blockdPart]
  const unknown = names.find((name) => parts.every((part) => part.name !== name))
  if (unknown !== undefined) {
    const known = parts.map((part) => part.name).join(', ')
    throw new PurlinError('PUR_INVALID', {
      message: `${unknown}: no native part; there are ${known}`,
    })
  }
  const wanted = parts.filter((part) => names.length === 0 || names.includes(part.name))
  const toolchain = await findToolchain(repository)
  const stale = new Map<Part, string>()
  for (const part of wanted) {
    const key = await staleKey(part, toolchain)
    if (key !== undefined) stale.set(part, key)
  }
  const staleNames = [...stale.keys()].map((part) => part.name)
  if (staleNames.length === 0) return
  process.stderr.write(`building native parts: ${staleNames.join(', ')}\n`)
  const staleAddons = addons.filter((addon) => staleNames.includes(addon.library))
  if (staleAddons.length > 0) await buildAddons(staleAddons)
  if (staleNames.includes(probePart.name)) {
    await buildStatic(toolchain, 'purlin-probe', 'probe', probePath)
  }
  if (staleNames.includes(nodePart.name)) {
    await buildStatic(toolchain, 'purlin-node', 'purlin-node', nodePath)
  }
  if (staleNames.includes(bmAgentPart.name)) {
    await buildStatic(toolchain, 'purlin-bm-agent', 'purlin-bm-agent', bmAgentPath)
  }
  if (staleNames.includes(blockdPart.name)) await buildBlockd()
  for (const [part, key] of stale) await keepKey(part, key)
}

if (import.meta.main) {
  try {
    await buildNative(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof PurlinError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  }
}
