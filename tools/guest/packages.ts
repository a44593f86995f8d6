import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError, type RunOptions, run } from '@purlin/base'

const DOWNLOAD_TIMEOUT_MS = 10 * 60_000
const SHORT_TIMEOUT_MS = 60_000

export interface GuestPackages {
  /** A package that names the current kernel of its sort. */
  readonly kernel: string
  readonly others: readonly string[]
}

/** Debian's small kernel for virtual machines, and everything else the probe guest is made of; the
 *  libraries are those that the agent and dhcpcd link. */
const PROBE_PACKAGES: GuestPackages = {
  kernel: 'linux-image-cloud-amd64',
  others: [
    'busybox-static',
    'qemu-guest-agent',
    'dhcpcd-base',
    'libglib2.0-0',
    'libnuma1',
    'libudev1',
    'liburing2',
    'libpcre2-8-0',
    'libc6',
  ],
}

/** Downloads the Debian packages of a guest into `folder`, unpacks them into `folder`/root and
 *  returns that path. Nothing is installed.
 *  Errors: PUR_EXEC_FAILED when apt cannot find or fetch a package. */
export async function unpackPackages(
  folder: string,
  packages: GuestPackages = PROBE_PACKAGES,
): Promise<string> {
  const root = join(folder, 'root')
  const archives = join(folder, 'packages')
  await mkdir(root, { recursive: true })
  await mkdir(archives)
  await download(archives, packages).catch(async (error: unknown) => {
    // The lists of a fresh machine are empty, and old ones name files that are gone.
    if (!(error instanceof PurlinError) || error.code !== 'PUR_EXEC_FAILED') throw error
    await run('apt-get', ['-qq', 'update'], { timeoutMs: DOWNLOAD_TIMEOUT_MS })
    await download(archives, packages)
  })
  for (const archive of await readdir(archives)) {
    await run('dpkg-deb', ['-x', join(archives, archive), root], { timeoutMs: SHORT_TIMEOUT_MS })
  }
  return root
}

async function download(archives: string, packages: GuestPackages): Promise<void> {
  const options: RunOptions = { timeoutMs: DOWNLOAD_TIMEOUT_MS, workingFolder: archives }
  const { stdout } = await run('apt-cache', ['depends', packages.kernel], options)
  const kernel = /^ +Depends: (linux-image-\S+)$/m.exec(stdout)?.[1]
  if (kernel === undefined) {
    throw new PurlinError('PUR_EXEC_FAILED', {
      message: `apt-cache depends ${packages.kernel}: no kernel is named; run apt-get update`,
    })
  }
  // apt's own user may not write into this folder; the download is checked against the signed lists
  // all the same.
  const asCaller = ['-o', 'APT::Sandbox::User=root']
  await run('apt-get', ['-qq', ...asCaller, 'download', kernel, ...packages.others], options)
}
