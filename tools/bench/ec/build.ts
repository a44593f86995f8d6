import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { run, toPurlinError } from '@purlin/base'
import { cargoBuild } from '../../native/cargo.ts'
import { inputKey } from '../../native/input-key.ts'
import { cacheFolder, repository } from '../../repository.ts'
import type { Column } from './columns.ts'
import { findGo } from './go.ts'
import type { WorkerCommand } from './worker.ts'

const BUILD = { timeoutMs: 20 * 60_000 }
const SOURCES = join(import.meta.dirname, 'peers')

/** Everything that the benchmark builds or draws lies here; git-ignored. */
export const benchFolder = join(cacheFolder, 'bench/ec')

/** Our side of the benchmark: a program of the line protocol, brought up to date by cargo. */
export async function buildOwnWorker(): Promise<string> {
  await cargoBuild(repository, ['--package', 'purlin-ec-worker'], {})
  return join(repository, 'target/release/purlin-ec-worker')
}

/** The worker that measures what memory and XOR units allow. */
export async function buildLimitWorker(): Promise<WorkerCommand> {
  return { name: 'limit', command: [await compile('limit.c', 'limit', [])] }
}

/** A peer that is there, or why it is not. */
export type PeerBuild =
  | { readonly column: Column; readonly worker: WorkerCommand }
  | { readonly column: Column; readonly missing: string }

/** Builds the peers asked for, one after the other. A peer that cannot be built here is no error of
 *  the benchmark: its column is empty and the reason is told. */
export async function buildPeers(
  columns: readonly Column[],
  tell: (detail: string) => void,
): Promise<readonly PeerBuild[]> {
  const builds: PeerBuild[] = []
  for (const column of columns) {
    tell(column)
    try {
      builds.push({ column, worker: { name: column, command: await builders[column]() } })
    } catch (thrown) {
      builds.push({ column, missing: toPurlinError(thrown).message })
    }
  }
  return builds
}

type Command = WorkerCommand['command']

const builders: Readonly<Record<Column, () => Promise<Command>>> = {
  isal: async () => [await buildRustPeers(), 'isal'],
  'debian-isal': async () => [await compile('isal.c', 'debian-isal', ['-lisal'])],
  klauspost: async () => [await buildGoPeer()],
  rusty: async () => [await buildRustPeers(), 'rusty'],
  simd: async () => [await buildRustPeers(), 'simd'],
  ronomon: buildNpmPeer,
}

async function compile(source: string, name: string, libraries: readonly string[]) {
  const program = join(benchFolder, name)
  await mkdir(benchFolder, { recursive: true })
  await run('gcc', ['-O3', '-o', program, join(SOURCES, 'c', source), ...libraries], BUILD)
  return program
}

/** The peers that are Rust, or that a crate builds. Their dependencies are locked apart from
 *  Purlin's own. */
export async function buildRustPeers(): Promise<string> {
  const target = join(benchFolder, 'target')
  const manifest = join(SOURCES, 'rust/Cargo.toml')
  const words = ['build', '--release', '--locked', '--quiet', '--manifest-path', manifest]
  await run('cargo', words, { ...BUILD, environment: { CARGO_TARGET_DIR: target } })
  return join(target, 'release/purlin-bench-ec-peers')
}

/** The peer written in Go. Errors: PUR_NATIVE_MISSING without Go. */
export async function buildGoPeer(): Promise<string> {
  const program = join(benchFolder, 'klauspost')
  const folder = join(SOURCES, 'go')
  const words = ['build', '-mod=readonly', '-o', program, '.']
  await run(await findGo(folder), words, { ...BUILD, workingFolder: folder })
  return program
}

/** The npm peer is an addon in C: node-gyp compiles it against the headers of this very Node. */
async function buildNpmPeer(): Promise<Command> {
  const folder = join(benchFolder, 'npm')
  const source = join(SOURCES, 'npm')
  const key = await inputKey(
    repository,
    ['tools/bench/ec/peers/npm/package-lock.json'],
    [process.version],
  )
  const built = await readFile(join(folder, 'key'), 'utf8').catch(() => '')
  await mkdir(folder, { recursive: true })
  for (const name of ['package.json', 'package-lock.json', 'peer.ts']) {
    await copyFile(join(source, name), join(folder, name))
  }
  if (built !== key) {
    const install = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    await run('npm', install, { ...BUILD, workingFolder: folder })
    const gyp = join(folder, 'node_modules/node-gyp/bin/node-gyp.js')
    const headers = dirname(dirname(process.execPath))
    await run(process.execPath, [gyp, 'rebuild', `--nodedir=${headers}`], {
      ...BUILD,
      workingFolder: join(folder, 'node_modules/@ronomon/reed-solomon'),
    })
    await writeFile(join(folder, 'key'), key)
  }
  return [process.execPath, '--disable-warning=ExperimentalWarning', join(folder, 'peer.ts')]
}
