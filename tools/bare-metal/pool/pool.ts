/** Makes an installation medium of Debian 13 out of the mirror of this machine: its installer, and
 *  a small signed pool of packages that it needs no other mirror beside:
 *  `node tools/bare-metal/pool/pool.ts [--out FILE.tar] [--once]`, with --once only where there is
 *  none. */

import { existsSync } from 'node:fs'
import {
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { PurlinError, run } from '@purlin/base'
import { cpioArchive } from '@purlin/discovery-system'
import { repository } from '../../repository.ts'
import { PrivateApt } from './apt.ts'
import { INSTALLED, INSTALLED_UEFI, INSTALLER, isNeeded, isWanted, SUITE } from './contents.ts'
import { type Derivation, deriveComponent } from './derive.ts'
import { indexPool } from './index-files.ts'
import { recipeOf } from './recipes.ts'
import { fieldOf, readStanzas, type Stanza } from './stanza.ts'

const STEP_TIMEOUT_MS = 10 * 60_000
const IMAGES = 'usr/lib/debian-installer/images/13/amd64/text/debian-installer/amd64'

export interface BuiltPool {
  readonly file: string
  readonly kernelVersion: string
  readonly packages: number
  readonly components: number
  /** Components that the mirror lacks and that were made of ordinary packages. */
  readonly derived: readonly string[]
  /** Components that it lacks and that nothing here needs. */
  readonly left: readonly string[]
}

/** Builds the medium as a tar of its tree: `dists`, `pool`, `debian-installer/amd64/{linux,
 *  initrd.gz}`. The installer trusts the pool's own key, which is in its initrd. Errors:
 *  PUR_HOST_UNFIT where the mirror lacks what the installer cannot do without; those of `run`. */
export async function buildPool(out: string, cacheFolder: string): Promise<BuiltPool> {
  await mkdir(dirname(out), { recursive: true })
  const work = await mkdtemp(`${out}.work-`)
  try {
    const apt = await PrivateApt.open(cacheFolder, SUITE)
    const installer = await unpackInstaller(apt, work)
    const tree = join(work, 'tree')
    const packages = await fillPackages(apt, installer.kernelVersion, join(tree, 'pool/main'))
    const filled = await fillComponents(apt, installer, work, join(tree, 'pool/udeb'))
    const key = await indexPool(tree, join(work, 'key'))
    await writeInstaller(installer, key, join(tree, 'debian-installer/amd64'))
    await run(
      'tar',
      ['-C', tree, '--sort=name', '--owner=0', '--group=0', '-cf', `${out}.half`, '.'],
      {
        timeoutMs: STEP_TIMEOUT_MS,
      },
    )
    await rename(`${out}.half`, out)
    return { file: out, kernelVersion: installer.kernelVersion, packages, ...filled }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

interface Installer {
  readonly images: string
  readonly root: string
  readonly kernelVersion: string
}

async function unpackInstaller(apt: PrivateApt, work: string): Promise<Installer> {
  await apt.fetch([INSTALLER])
  const file = (await apt.fileOf(INSTALLER)) ?? ''
  const options = { timeoutMs: STEP_TIMEOUT_MS }
  await run('dpkg-deb', ['-x', file, join(work, 'installer')], options)
  const images = join(work, 'installer', IMAGES)
  const root = join(work, 'initrd')
  await mkdir(root)
  // Devices cannot be made in every container, and are not looked at.
  const words = [
    '-xf',
    join(images, 'initrd.gz'),
    '-C',
    root,
    '--exclude',
    'dev',
    '--exclude',
    './dev',
  ]
  await run('bsdtar', words, options)
  const [kernelVersion] = await readdir(join(root, 'lib/modules')).catch(() =>
    readdir(join(root, 'usr/lib/modules')),
  )
  if (kernelVersion === undefined)
    throw new Error('no kernel modules in the initrd of the installer')
  return { images, root, kernelVersion }
}

async function fillPackages(
  apt: PrivateApt,
  kernelVersion: string,
  folder: string,
): Promise<number> {
  const base = (await apt.available())
    .filter((stanza) => /^(required|important)$/.test(stanza.get('Priority') ?? ''))
    .filter((stanza) => stanza.get('Section') !== 'debian-installer')
    .map((stanza) => fieldOf(stanza, 'Package'))
  await apt.fetch([...new Set(base), ...INSTALLED, `linux-image-${kernelVersion}`])
  await apt.fetch(INSTALLED_UEFI)
  await mkdir(folder, { recursive: true })
  const files = (await readdir(apt.archives)).filter((name) => name.endsWith('.deb'))
  const ordinary = files.filter((name) => !name.startsWith('debian-installer-'))
  for (const name of ordinary)
    await copyFile(join(apt.archives, name), join(folder, plainName(name)))
  return ordinary.length
}

async function fillComponents(
  apt: PrivateApt,
  { root, kernelVersion }: Installer,
  work: string,
  folder: string,
): Promise<Pick<BuiltPool, 'components' | 'derived' | 'left'>> {
  const named = (await apt.installerComponents()).filter((stanza) =>
    isWanted(fieldOf(stanza, 'Package'), kernelVersion),
  )
  const names = named.map((stanza) => fieldOf(stanza, 'Package'))
  const fetched = join(apt.archives, 'components')
  await apt.fetchSome(names, fetched)
  await mkdir(folder, { recursive: true })
  const versions = new Map(
    named.map((stanza) => [fieldOf(stanza, 'Package'), fieldOf(stanza, 'Version')]),
  )
  const there = new Set<string>()
  for (const name of await readdir(fetched)) {
    const [component = '', version = ''] = name.split('_')
    // The cache may hold components of an earlier point release.
    if (versions.get(component) !== decodeURIComponent(version)) continue
    await copyFile(join(fetched, name), join(folder, plainName(name)))
    there.add(component)
  }
  const status = await readFile(join(root, 'var/lib/dpkg/status'), 'utf8')
  for (const stanza of readStanzas(status)) there.add(stanza.get('Package') ?? '')
  const derivation = { apt, workFolder: work, out: folder, kernelVersion }
  const missing = named.filter((stanza) => !there.has(fieldOf(stanza, 'Package')))
  const { derived, left } = await deriveAll(missing, derivation)
  return { components: (await readdir(folder)).length, derived, left }
}

async function deriveAll(
  missing: readonly Stanza[],
  derivation: Derivation,
): Promise<Pick<BuiltPool, 'derived' | 'left'>> {
  const derived: string[] = []
  const left: string[] = []
  for (const stanza of missing) {
    const name = fieldOf(stanza, 'Package')
    const recipe = recipeOf(name, derivation.kernelVersion)
    if (recipe !== undefined) {
      await deriveComponent(stanza, recipe, derivation)
      derived.push(name)
    } else if (isNeeded(name)) {
      throw new PurlinError('PUR_HOST_UNFIT', {
        message: `the mirror lacks ${name}, without which it cannot install, and there is no recipe to make it of ordinary packages`,
      })
    } else left.push(name)
  }
  return { derived, left }
}

/** Kernel and initrd; a second archive behind the initrd replaces the keys of Debian's archive by
 *  those and ours. */
async function writeInstaller(
  { images, root }: Installer,
  key: Buffer,
  folder: string,
): Promise<void> {
  await mkdir(folder, { recursive: true })
  await copyFile(join(images, 'linux'), join(folder, 'linux'))
  const rings = 'usr/share/keyrings'
  const debian = await readFile(join(root, rings, 'debian-archive-keyring.gpg'))
  const content = Buffer.concat([debian, key])
  const entries = ['archive.gpg', 'debian-archive-keyring.gpg'].map((name) => ({
    path: `${rings}/${name}`,
    mode: 0o644,
    content,
  }))
  const initrd = await readFile(join(images, 'initrd.gz'))
  const both = Buffer.concat([initrd, gzipSync(cpioArchive(entries))])
  await writeFile(join(folder, 'initrd.gz'), both)
}

/** A file name as an archive has it: without the epoch, its signs as they are. */
function plainName(name: string): string {
  return decodeURIComponent(name).replace(/_\d+:/, '_')
}

if (import.meta.main) {
  const folder = join(repository, '.purlin/bare-metal')
  const out = { type: 'string', default: join(folder, 'debian-13-medium.tar') } as const
  const once = { type: 'boolean', default: false } as const
  const { values } = parseArgs({ options: { out, once } })
  try {
    if (values.once && existsSync(values.out)) process.exit()
    const built = await buildPool(values.out, join(folder, 'pool-cache'))
    process.stdout.write(`${JSON.stringify(built, null, 2)}\n`)
  } catch (thrown) {
    if (!(thrown instanceof PurlinError)) throw thrown
    process.stderr.write(`purlin: ${thrown.message}\n`)
    process.exitCode = 1
  }
}
