import { createHash } from 'node:crypto'
import { access, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { arch } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { constants, zstdCompress } from 'node:zlib'
import { PurlinError, run } from '@purlin/base'
import { cpioArchive } from './cpio.ts'
import type { DiscoveryManifest, ManifestFile } from './manifest.ts'
import { chooseModules, copyModules, type DriverSet } from './modules.ts'
import { environment, unpackPackages } from './packages.ts'
import { makeTree } from './tree.ts'

const DEPMOD_TIMEOUT_MS = 120_000
/** Above it packing takes minutes for one part in fifty. */
const ZSTD_LEVEL = 17

export interface DiscoverySystemRequest {
  /** Folder of `vmlinuz`, `initrd.img` and `manifest.json`; made where it is missing. */
  readonly out: string
  /** Folder of downloaded packages, kept for the next build. */
  readonly cache: string
  readonly drivers: DriverSet
  /** Path of the static program `purlin-node`. */
  readonly purlinNode: string
  readonly signal?: AbortSignal
}

/** Builds the discovery system out of Debian's packages: a kernel, and an initial file system that
 *  reports the hardware and follows orders. The same packages and the same program make the same
 *  bytes. The three files replace those of an earlier build when all is done, the manifest last.
 *  Errors: PUR_HOST_UNFIT without apt or on another processor than x86-64, PUR_EXEC_NOT_FOUND
 *  without kmod, PUR_EXEC_FAILED when apt cannot fetch a package. */
export async function buildDiscoverySystem(
  request: DiscoverySystemRequest,
): Promise<DiscoveryManifest> {
  await assertCanBuild(request.purlinNode)
  await mkdir(request.out, { recursive: true })
  const workFolder = await mkdtemp(join(request.out, 'build-'))
  try {
    return await buildInto(request, workFolder)
  } finally {
    await rm(workFolder, { recursive: true, force: true })
  }
}

async function assertCanBuild(purlinNode: string): Promise<void> {
  if (arch() !== 'x64') {
    throw new PurlinError('PUR_HOST_UNFIT', {
      message: `the discovery system is built for x86-64 alone, and this machine is ${arch()}`,
    })
  }
  await access(purlinNode).catch((cause: unknown) => {
    throw new PurlinError('PUR_HOST_UNFIT', {
      message: `looked for the program of the discovery system at ${purlinNode}: it is not there`,
      cause,
    })
  })
}

async function buildInto(
  { out, cache, drivers, purlinNode, signal }: DiscoverySystemRequest,
  workFolder: string,
): Promise<DiscoveryManifest> {
  const { root, packages, missingFirmware } = await unpackPackages(
    cache,
    workFolder,
    drivers,
    signal,
  )
  const kernelVersion = await kernelOf(root)
  await moveModules(root)
  const options = { timeoutMs: DEPMOD_TIMEOUT_MS, environment, ...(signal && { signal }) }
  await run('depmod', ['-b', root, kernelVersion], options)
  const allModules = join(root, 'lib/modules', kernelVersion)
  const paths = await chooseModules(allModules, drivers)

  const chosenRoot = join(workFolder, 'chosen')
  const chosen = join(chosenRoot, 'lib/modules', kernelVersion)
  await copyModules(allModules, chosen, paths)
  await run('depmod', ['-b', chosenRoot, kernelVersion], options)

  const tree = await makeTree(root, chosen, kernelVersion, drivers, purlinNode)
  signal?.throwIfAborted()
  const packed = await promisify(zstdCompress)(cpioArchive(tree), {
    params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL },
  })
  const kernel = await readFile(join(root, 'boot', `vmlinuz-${kernelVersion}`))
  const manifest: DiscoveryManifest = {
    version: 1,
    architecture: 'x86_64',
    drivers,
    kernelVersion,
    kernel: describe('vmlinuz', kernel),
    initrd: describe('initrd.img', packed),
    modules: paths.length,
    missingFirmware,
    packages,
  }
  const text = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)
  const files = [['vmlinuz', kernel] as const, ['initrd.img', packed] as const]
  for (const [name, content] of [...files, ['manifest.json', text] as const]) {
    await writeFile(join(workFolder, name), content)
    await rename(join(workFolder, name), join(out, name))
  }
  return manifest
}

/** Newer packages have their modules below `usr`, where an older depmod does not look. */
async function moveModules(root: string): Promise<void> {
  const isMoved = await access(join(root, 'lib/modules')).then(
    () => true,
    () => false,
  )
  if (isMoved) return
  await mkdir(join(root, 'lib'), { recursive: true })
  await rename(join(root, 'usr/lib/modules'), join(root, 'lib/modules'))
}

/** The version of the one kernel unpacked in `root`, such as `6.1.0-56-amd64`. */
async function kernelOf(root: string): Promise<string> {
  const names = await readdir(join(root, 'boot'))
  const kernels = names.filter((name) => name.startsWith('vmlinuz-'))
  const [kernel] = kernels
  if (kernel === undefined || kernels.length > 1) {
    throw new PurlinError('PUR_INTERNAL', {
      message: `the packages hold ${kernels.length} kernels`,
    })
  }
  return kernel.slice('vmlinuz-'.length)
}

function describe(name: string, content: Buffer): ManifestFile {
  const sha256 = createHash('sha256').update(content).digest('hex')
  return { name, sizeBytes: content.length, sha256 }
}
