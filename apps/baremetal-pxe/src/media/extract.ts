import { link, mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError, type Run } from '@purlin/base'
import { type InstallerTarget, installerTargets } from '@purlin/deployment-template'
import { installerOf, type SpecOf } from '@purlin/schema'
import {
  checkVersion,
  type InstallerFiles,
  installerFilesOf,
  versionFileOf,
  WHOLE_ISO,
} from './installer-files.ts'
import { type ArchiveSize, hostile, readListing } from './listing.ts'
import { type Tree, walkTree } from './tree.ts'

const LIST_TIMEOUT_MS = 600_000
const EXTRACT_TIMEOUT_MS = 3_600_000
const SYNC_TIMEOUT_MS = 600_000
/** bsdtar needs some 20 MiB; a bomb wants more. */
const MEMORY_BYTES_MOST = 1024 * 1024 * 1024
const VERSION_BYTES = 65_536

export interface ExtractOptions {
  readonly title: string
  readonly spec: SpecOf<'InstallMedia'>
  /** The ISO or tar. */
  readonly file: string
  /** Becomes the tree, whole or not at all. */
  readonly folder: string
  readonly run: Run
  readonly signal: AbortSignal
}

export interface ExtractedTree extends InstallerFiles {
  readonly target: InstallerTarget
  readonly files: number
  readonly sizeBytes: number
  readonly digest: string
}

/** Extracts a medium by bsdtar, which reads ISOs and tars without a mount, and finds what a node
 *  boots of it. It is listed and judged first, written beside, walked, and renamed last. Errors:
 *  PUR_MEDIA_HOSTILE, PUR_MEDIA_LAYOUT, PUR_EXEC_*. */
export async function extract(options: ExtractOptions): Promise<ExtractedTree> {
  const { title, file, folder, run, signal } = options
  const target = targetOf(options)
  const size = await list(options)
  const fresh = `${folder}.new`
  await rm(fresh, { recursive: true, force: true })
  await mkdir(fresh, { recursive: true, mode: 0o755 })
  try {
    const place = ['-xf', file, '-C', fresh, '--no-same-owner', '--no-same-permissions']
    await bsdtar(options, place, Math.max(size.sizeBytes, 1), EXTRACT_TIMEOUT_MS)
    const tree = await walkTree(title, fresh)
    const found = installerFilesOf(title, target, tree.paths)
    await refuseOtherVersion(title, target, fresh, tree)
    if (found.stage === WHOLE_ISO) await link(file, join(fresh, WHOLE_ISO))
    await run('sync', ['--file-system', fresh], { timeoutMs: SYNC_TIMEOUT_MS, signal })
    await rm(folder, { recursive: true, force: true })
    await rename(fresh, folder)
    const { paths, sizeBytes, digest } = tree
    return { ...found, target, files: paths.size, sizeBytes, digest }
  } catch (thrown) {
    await rm(fresh, { recursive: true, force: true })
    throw thrown
  }
}

async function list(options: ExtractOptions): Promise<ArchiveSize> {
  const format = ['--format=mtree', '--options=!all,type,size,link']
  const args = ['-cf', '-', ...format, `@${options.file}`]
  return readListing(options.title, await bsdtar(options, args, 1, LIST_TIMEOUT_MS))
}

/** Runs bsdtar with bounds on time, memory and the size of a file. */
async function bsdtar(
  { title, run, signal }: ExtractOptions,
  args: readonly string[],
  fileBytesMost: number,
  timeoutMs: number,
): Promise<string> {
  const bounds = [`--fsize=${fileBytesMost}`, `--as=${MEMORY_BYTES_MOST}`, '--core=0']
  try {
    const options = { timeoutMs, signal, environment: { LC_ALL: 'C.UTF-8' } }
    return (await run('prlimit', [...bounds, 'bsdtar', ...args], options)).stdout
  } catch (thrown) {
    if (!(thrown instanceof PurlinError) || thrown.code !== 'PUR_EXEC_FAILED') throw thrown
    throw hostile(title, `bsdtar: ${thrown.message.slice(-200).trim()}`)
  }
}

function targetOf({ title, spec }: ExtractOptions): InstallerTarget {
  const name = installerOf(spec.family, spec.version)
  const target = installerTargets.find((one) => one === name)
  if (target !== undefined) return target
  const message = `${title}: no answers are written for ${spec.family} ${spec.version}`
  throw new PurlinError('PUR_MEDIA_LAYOUT', { message })
}

async function refuseOtherVersion(
  title: string,
  target: InstallerTarget,
  folder: string,
  { paths }: Tree,
): Promise<void> {
  const path = versionFileOf(target)
  if (!paths.has(path)) return
  const file = await open(join(folder, path))
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(VERSION_BYTES), 0, VERSION_BYTES, 0)
    checkVersion(title, target, buffer.toString('utf8', 0, bytesRead))
  } finally {
    await file.close()
  }
}
