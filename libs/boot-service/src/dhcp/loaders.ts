import { constants } from 'node:fs'
import { access, chmod, copyFile, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError } from '@purlin/base'

/** A boot loader: the name it is served by, where Debian and Fedora have it, who brings it. */
interface Loader {
  readonly name: string
  readonly paths: readonly string[]
  readonly package: string
  /** Only where BIOS machines are handed pxelinux.0. */
  readonly pxelinux?: boolean
}

const loaders: readonly Loader[] = [
  {
    name: 'undionly.kpxe',
    paths: ['/usr/lib/ipxe/undionly.kpxe', '/usr/share/ipxe/undionly.kpxe'],
    package: 'ipxe',
  },
  {
    name: 'snponly.efi',
    paths: ['/usr/lib/ipxe/snponly.efi', '/usr/share/ipxe/ipxe-snponly-x86_64.efi'],
    package: 'ipxe',
  },
  {
    name: 'ipxe.efi',
    paths: ['/usr/lib/ipxe/ipxe.efi', '/usr/share/ipxe/ipxe-x86_64.efi'],
    package: 'ipxe',
  },
  {
    name: 'ipxe.lkrn',
    paths: ['/usr/lib/ipxe/ipxe.lkrn', '/usr/share/ipxe/ipxe.lkrn'],
    package: 'ipxe',
    pxelinux: true,
  },
  {
    name: 'pxelinux.0',
    paths: ['/usr/lib/PXELINUX/pxelinux.0', '/usr/share/syslinux/pxelinux.0'],
    package: 'pxelinux',
    pxelinux: true,
  },
  {
    name: 'ldlinux.c32',
    paths: ['/usr/lib/syslinux/modules/bios/ldlinux.c32', '/usr/share/syslinux/ldlinux.c32'],
    package: 'syslinux-common',
    pxelinux: true,
  },
]

/** pxelinux.0 knows nothing of states, so all it does is to start iPXE, which asks over HTTP. */
const PXELINUX_CONFIGURATION = `DEFAULT purlin
PROMPT 0
LABEL purlin
  KERNEL ipxe.lkrn
`

/** Puts the loaders into the folder that TFTP serves, whole files by rename, and takes away what is
 *  none. Errors: PUR_BOOT_LOADER with the package that brings what is missing. */
export async function placeLoaders(folder: string, pxelinux: boolean): Promise<void> {
  await mkdir(folder, { recursive: true })
  await chmod(folder, 0o755)
  const wanted = loaders.filter((loader) => pxelinux || loader.pxelinux !== true)
  const kept = new Set(wanted.map(({ name }) => name))
  if (pxelinux) kept.add('pxelinux.cfg')
  for (const name of await readdir(folder)) {
    if (!kept.has(name)) await rm(join(folder, name), { recursive: true, force: true })
  }
  for (const loader of wanted) {
    const passing = join(folder, `.${loader.name}`)
    await copyFile(await findLoader(loader), passing)
    await chmod(passing, 0o644)
    await rename(passing, join(folder, loader.name))
  }
  if (!pxelinux) return
  await mkdir(join(folder, 'pxelinux.cfg'), { recursive: true })
  await chmod(join(folder, 'pxelinux.cfg'), 0o755)
  const configuration = join(folder, 'pxelinux.cfg', 'default')
  await writeFile(configuration, PXELINUX_CONFIGURATION)
  await chmod(configuration, 0o644)
}

async function findLoader(loader: Loader): Promise<string> {
  for (const path of loader.paths) {
    const readable = await access(path, constants.R_OK).then(
      () => true,
      () => false,
    )
    if (readable) return path
  }
  throw new PurlinError('PUR_BOOT_LOADER', {
    message: `find the boot loader ${loader.name}: it is not at ${loader.paths.join(' or ')}; install the package ${loader.package}`,
    context: { loader: loader.name, package: loader.package },
  })
}
