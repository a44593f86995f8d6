import { createHash } from 'node:crypto'
import { access, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError, run } from '@purlin/base'
import { FIRMWARE_PACKAGES, PACKAGES } from './contents.ts'
import type { ManifestPackage } from './manifest.ts'
import type { DriverSet } from './modules.ts'

const DOWNLOAD_TIMEOUT_MS = 20 * 60_000
const SHORT_TIMEOUT_MS = 120_000
/** The tools of the administrator are in sbin, which the PATH of a person may lack. */
export const environment = { PATH: `${process.env.PATH}:/usr/sbin:/sbin`, LC_ALL: 'C' }

export interface UnpackedPackages {
  readonly root: string
  readonly packages: readonly ManifestPackage[]
  readonly missingFirmware: readonly string[]
}

/** Downloads the packages of the discovery system with all that they need into `cache`, where a
 *  second build finds them, checks them against apt's signed lists and unpacks them into
 *  `workFolder`/root. Nothing is installed, and what this machine has installed does not matter.
 *  Errors: PUR_HOST_UNFIT without apt, PUR_EXEC_FAILED when a package cannot be fetched. */
export async function unpackPackages(
  cache: string,
  workFolder: string,
  drivers: DriverSet,
  signal: AbortSignal | undefined,
): Promise<UnpackedPackages> {
  await assertApt()
  const archives = join(cache, 'archives')
  const status = join(workFolder, 'status')
  const root = join(workFolder, 'root')
  await mkdir(join(archives, 'partial'), { recursive: true })
  await mkdir(root, { recursive: true })
  await writeFile(status, '')

  const apt = ['-o', `Dir::State::status=${status}`, '-o', `Dir::Cache::archives=${archives}`]
  apt.push('-o', 'Debug::NoLocking=1', '-o', 'APT::Sandbox::User=root')
  apt.push('-o', 'APT::Install-Recommends=0', '-o', 'APT::Architecture=amd64')
  const options = { environment, ...(signal && { signal }) }
  const { wanted, missing } = await wantedPackages(drivers)
  const fetch = () =>
    run('apt-get', ['-qq', ...apt, '--yes', '--download-only', 'install', ...wanted], {
      ...options,
      timeoutMs: DOWNLOAD_TIMEOUT_MS,
    })
  await fetch().catch(async (error: unknown) => {
    // The lists of a fresh machine are empty, and old ones name files that are gone.
    if (!(error instanceof PurlinError) || error.code !== 'PUR_EXEC_FAILED') throw error
    await run('apt-get', ['-qq', 'update'], { ...options, timeoutMs: DOWNLOAD_TIMEOUT_MS })
    await fetch()
  })
  const plan = await run('apt-get', ['-qq', ...apt, '--simulate', 'install', ...wanted], {
    ...options,
    timeoutMs: SHORT_TIMEOUT_MS,
  })

  const packages: ManifestPackage[] = []
  for (const { name, file } of await plannedFiles(plan.stdout, archives)) {
    const path = join(archives, file.name)
    await run('dpkg-deb', ['-x', path, root], { ...options, timeoutMs: SHORT_TIMEOUT_MS })
    const content = await readFile(path)
    const sha256 = createHash('sha256').update(content).digest('hex')
    packages.push({ name, version: file.version, sizeBytes: content.length, sha256 })
  }
  return { root, packages, missingFirmware: missing }
}

async function assertApt(): Promise<void> {
  for (const program of ['/usr/bin/apt-get', '/usr/bin/dpkg-deb']) {
    await access(program).catch((cause: unknown) => {
      const message =
        `looked for ${program}, which the discovery system is built with, and it is not here: ` +
        'build it on a Debian (12 or newer) of x86-64 and copy the folder'
      throw new PurlinError('PUR_HOST_UNFIT', { message, cause, context: { program } })
    })
  }
}

async function wantedPackages(
  drivers: DriverSet,
): Promise<{ readonly wanted: readonly string[]; readonly missing: readonly string[] }> {
  if (drivers === 'virtual') return { wanted: PACKAGES, missing: [] }
  const { stdout } = await run('apt-cache', ['policy', ...FIRMWARE_PACKAGES], {
    timeoutMs: SHORT_TIMEOUT_MS,
    environment,
  })
  const missing = FIRMWARE_PACKAGES.filter((name) => !hasCandidate(stdout, name))
  const firmware = FIRMWARE_PACKAGES.filter((name) => !missing.includes(name))
  return { wanted: [...PACKAGES, ...firmware], missing }
}

/** Whether `apt-cache policy` has a version of the package to install. */
export function hasCandidate(policy: string, name: string): boolean {
  const [, rest = ''] = policy.split(new RegExp(`^${name}:$`, 'm'))
  const candidate = /^ +Candidate: (.+)$/m.exec(rest.split(/^\S/m)[0] ?? '')?.[1]
  return candidate !== undefined && candidate !== '(none)'
}

interface PlannedFile {
  readonly name: string
  readonly file: { readonly name: string; readonly version: string }
}

/** The files of a simulated installation, in the order of their names. The cache may hold other
 *  versions from earlier builds. */
async function plannedFiles(plan: string, archives: string): Promise<readonly PlannedFile[]> {
  const files = await readdir(archives)
  return [...plan.matchAll(/^Inst (\S+) \((\S+) /gm)]
    .map(([, name = '', version = '']) => {
      const start = `${name}_${version.replaceAll(':', '%3a')}_`
      const found = files.find((file) => file.startsWith(start) && file.endsWith('.deb'))
      if (found === undefined) {
        const message = `apt-get planned ${name} ${version} and left no ${start}*.deb in ${archives}`
        throw new PurlinError('PUR_EXEC_FAILED', { message })
      }
      return { name, file: { name: found, version } }
    })
    .sort((one, other) => (one.name < other.name ? -1 : 1))
}
