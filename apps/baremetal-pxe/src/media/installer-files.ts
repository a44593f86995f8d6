import { PurlinError } from '@purlin/base'
import type { InstallerTarget } from '@purlin/deployment-template'

type Family = 'rhel' | 'debian' | 'ubuntu' | 'sles'

/** What a node boots of a medium: paths in its tree. */
export interface InstallerFiles {
  readonly kernel: string
  readonly initrd: string
  /** What the installer fetches whole by itself. */
  readonly stage?: string
}

interface BootPair {
  readonly kernel: string
  readonly initrd: string
}

const NETBOOT = ['debian-installer/amd64', 'install.amd/netboot/debian-installer/amd64']
const ALIKE: BootPair = { kernel: 'boot/x86_64/loader/linux', initrd: 'boot/x86_64/loader/initrd' }

/** Where each family keeps kernel and initrd, the best first. */
const places: Readonly<Record<Family, readonly BootPair[]>> = {
  ubuntu: [
    { kernel: 'casper/vmlinuz', initrd: 'casper/initrd' },
    { kernel: 'casper/hwe-vmlinuz', initrd: 'casper/hwe-initrd' },
  ],
  sles: [ALIKE],
  rhel: [{ kernel: 'images/pxeboot/vmlinuz', initrd: 'images/pxeboot/initrd.img' }],
  debian: [
    ...NETBOOT.map((folder) => ({ kernel: `${folder}/linux`, initrd: `${folder}/initrd.gz` })),
    { kernel: 'install.amd/netboot/vmlinuz', initrd: 'install.amd/netboot/initrd.gz' },
    { kernel: 'install.amd/netboot/linux', initrd: 'install.amd/netboot/initrd.gz' },
  ],
}
/** `dists/CODENAME/main/installer-amd64/…`, as a mirror has it. */
const MIRRORED =
  /^dists\/[a-z]+\/main\/installer-amd64\/(current|\d+[^/]*)\/images\/netboot\/debian-installer\/amd64\/linux$/

/** What the installer of a target fetches whole by itself, as a path in its tree. Pure. */
export function stageOf(target: InstallerTarget): string | undefined {
  if (target === 'sles-16') return AGAMA_ROOT
  return familyOf(target) === 'ubuntu' ? WHOLE_ISO : undefined
}

/** Name of the whole ISO in a tree whose installer asks for it. */
export const WHOLE_ISO = 'purlin-installation.iso'
const AGAMA_ROOT = 'LiveOS/squashfs.img'

/** Kernel and initrd of a medium that is said to be `target`. Pure. Shape: `paths` are all files of
 *  its tree. Errors: PUR_MEDIA_LAYOUT for another family, and for what cannot be installed over the
 *  network. */
export function installerFilesOf(
  title: string,
  target: InstallerTarget,
  paths: ReadonlySet<string>,
): InstallerFiles {
  const family = familyOf(target)
  const stage = stageOf(target)
  const pair = pairIn(family, paths)
  if (pair === undefined) throw layoutError(title, whyNot(family, paths))
  if (family === 'debian' && ![...paths].some((path) => path.startsWith('dists/'))) {
    const advice = 'bring dists/ and pool/ of a medium or mirror into the same tree'
    throw layoutError(title, `it has an installer and no packages (no dists/); ${advice}`)
  }
  // The whole ISO is put into the tree by us; what else is fetched must be there.
  if (stage !== undefined && stage !== WHOLE_ISO && !paths.has(stage)) {
    throw layoutError(title, `${stage} is missing, which the installer fetches`)
  }
  return { ...pair, ...(stage !== undefined && { stage }) }
}

function pairIn(family: Family, paths: ReadonlySet<string>): BootPair | undefined {
  const mirrored = family === 'debian' ? [...paths].find((path) => MIRRORED.test(path)) : undefined
  const more = mirrored === undefined ? [] : [pairBeside(mirrored)]
  return [...places[family], ...more].find(
    ({ kernel, initrd }) => paths.has(kernel) && paths.has(initrd),
  )
}

function pairBeside(kernel: string): BootPair {
  return { kernel, initrd: kernel.replace(/linux$/, 'initrd.gz') }
}

function whyNot(family: Family, paths: ReadonlySet<string>): string {
  const other = (Object.keys(places) as Family[]).find(
    (one) => one !== family && pairIn(one, paths) !== undefined,
  )
  if (other !== undefined) return `its files are those of ${other}, not of ${family}`
  if (family === 'debian' && paths.has('install.amd/vmlinuz')) {
    const advice = 'add netboot.tar.gz of the same release to its tree (debian-installer/amd64)'
    return `its installer reads a CD and no network; ${advice}`
  }
  const wanted = places[family].map(({ kernel, initrd }) => `${kernel} with ${initrd}`)
  return `no kernel and initrd found; looked for ${wanted.join(', ')}`
}

/** Files in which a medium says its version, and how. */
const versionTexts: Readonly<Record<Family, { readonly file: string; readonly find: RegExp }>> = {
  rhel: { file: '.treeinfo', find: /^version\s*=\s*(\d+)/m },
  debian: { file: '.disk/info', find: /Debian GNU\/Linux (\d+)/ },
  ubuntu: { file: '.disk/info', find: /Ubuntu[^\d]*(\d+\.\d+)/ },
  sles: { file: 'media.1/products', find: /\/? ?SLES?\S* (\d+)/i },
}

/** The file that tells a medium’s version. */
export function versionFileOf(target: InstallerTarget): string {
  return versionTexts[familyOf(target)].file
}

/** Refuses a medium that says another version than its resource. Pure. Errors:
 *  PUR_MEDIA_LAYOUT. */
export function checkVersion(title: string, target: InstallerTarget, text: string): void {
  const family = familyOf(target)
  const [, found] = versionTexts[family].find.exec(text) ?? []
  const wanted = target.slice(family.length + 1)
  if (found === undefined || found === wanted) return
  throw layoutError(title, `it says that it is version ${found}, not ${wanted}`)
}

function familyOf(target: InstallerTarget): Family {
  return target.slice(0, target.indexOf('-')) as Family
}

function layoutError(title: string, found: string): PurlinError {
  return new PurlinError('PUR_MEDIA_LAYOUT', { message: `${title}: ${found}` })
}
