/** Makes the npm packages of @purlin/ec-native: `node --conditions=purlin-source
 *  tools/native/prebuild.ts [--out FOLDER] [x64|arm64 ...]`, for both processors when none is
 *  named. One package holds the TypeScript side, in one file and without dependencies; one for each
 *  processor holds the addon. They name each other as npm's optional dependencies, so that npm
 *  installs the one that fits. None of this is in the repository's own package-lock.json: a clone
 *  builds the addon from its sources. */
import { copyFile, cp, glob, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { PurlinError, run, toPurlinError } from '@purlin/base'
import { bundle } from '../package/bundle.ts'
import { repository } from '../repository.ts'
import { buildNative } from './build.ts'
import { cargoBuild } from './cargo.ts'
import { crossBuild, type Processor, processors } from './cross.ts'

const STEP_TIMEOUT_MS = 5 * 60_000
const LIBRARY = 'libs/ec-native'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly license: string
}

/** Makes the tarballs in `output` and gives their paths, that of the TypeScript side first.
 *  Errors: PUR_NATIVE_MISSING without the tool chain or the linker of a processor,
 *  PUR_EXEC_FAILED. */
export async function prebuild(
  output: string,
  wanted: readonly Processor[],
): Promise<readonly string[]> {
  await mkdir(output, { recursive: true })
  const stage = await mkdtemp(join(tmpdir(), 'purlin-prebuild-'))
  try {
    const text = await readFile(join(repository, LIBRARY, 'package.json'), 'utf8')
    const manifest = JSON.parse(text) as Manifest
    const packages = [join(stage, 'main')]
    await stageMain(join(stage, 'main'), manifest)
    for (const processor of wanted) {
      const folder = join(stage, processor)
      await stageAddon(folder, manifest, processor, await builtAddon(processor))
      packages.push(folder)
    }
    const paths: string[] = []
    for (const folder of packages) paths.push(await pack(folder, output))
    return paths
  } finally {
    await rm(stage, { recursive: true, force: true })
  }
}

/** Path of the addon built for `processor`: by this machine's own compiler or by a cross one. */
async function builtAddon(processor: Processor): Promise<string> {
  if (processor === process.arch) {
    await buildNative(['ec-native'])
    return join(repository, LIBRARY, 'native', addonName(processor))
  }
  const { triple } = processors[processor]
  const target = ['--package', 'purlin-ec-binding', '--target', triple]
  await cargoBuild(repository, target, await crossBuild(processor))
  return join(repository, 'target', triple, 'release/libpurlin_ec_binding.so')
}

async function stageMain(folder: string, manifest: Manifest): Promise<void> {
  await mkdir(join(folder, 'dist'), { recursive: true })
  await bundle(`${LIBRARY}/src/index.ts`, join(folder, 'dist/index.js'))
  const compiler = join(repository, 'node_modules/.bin/tsc')
  await run(compiler, ['-b', join(repository, LIBRARY)], { timeoutMs: STEP_TIMEOUT_MS })
  const built = join(repository, LIBRARY, 'dist')
  for await (const file of glob('**/*.d.ts', { cwd: built })) {
    await cp(join(built, file), join(folder, 'dist', file))
  }
  const { name, version, description, license } = manifest
  const names = Object.keys(processors) as Processor[]
  await writeManifest(folder, {
    ...{ name, version, description, license, type: 'module' },
    exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' } },
    files: ['dist'],
    engines: { node: '>=24.0.0' },
    optionalDependencies: Object.fromEntries(
      names.map((processor) => [packageName(manifest, processor), version]),
    ),
  })
}

async function stageAddon(
  folder: string,
  manifest: Manifest,
  processor: Processor,
  addon: string,
): Promise<void> {
  await mkdir(folder, { recursive: true })
  const file = addonName(processor)
  await copyFile(addon, join(folder, file))
  await writeManifest(folder, {
    name: packageName(manifest, processor),
    version: manifest.version,
    description: `The addon of ${manifest.name} for Linux on ${processor} with glibc.`,
    license: manifest.license,
    main: file,
    files: [file],
    os: ['linux'],
    cpu: [processor],
    libc: ['glibc'],
    engines: { node: '>=24.0.0' },
  })
}

async function writeManifest(folder: string, manifest: object): Promise<void> {
  await copyFile(join(repository, 'LICENSE'), join(folder, 'LICENSE'))
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
}

async function pack(folder: string, output: string): Promise<string> {
  const { stdout } = await run(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', output],
    { timeoutMs: STEP_TIMEOUT_MS, workingFolder: folder },
  )
  const [packed] = JSON.parse(stdout) as readonly { readonly filename: string }[]
  return join(output, packed?.filename ?? '')
}

function packageName({ name }: Manifest, processor: Processor): string {
  return `${name}-linux-${processor}-gnu`
}

function addonName(processor: Processor): string {
  return `ec-binding.linux-${processor}-gnu.node`
}

function isProcessor(word: string): word is Processor {
  return Object.hasOwn(processors, word)
}

if (import.meta.main) {
  try {
    const { values, positionals } = parseArgs({
      options: { out: { type: 'string', default: 'dist/prebuilt' } },
      allowPositionals: true,
    })
    const unknown = positionals.find((word) => !isProcessor(word))
    if (unknown !== undefined) {
      const known = Object.keys(processors).join(', ')
      throw new PurlinError('PUR_INVALID', { message: `unknown processor ${unknown}: ${known}` })
    }
    const wanted = positionals.length === 0 ? Object.keys(processors) : positionals
    const paths = await prebuild(resolve(values.out), wanted.filter(isProcessor))
    for (const path of paths) process.stdout.write(`${path}\n`)
  } catch (error) {
    process.stderr.write(`${toPurlinError(error).message}\n`)
    process.exitCode = 1
  }
}
