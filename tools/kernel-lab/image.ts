import { chmod, copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { arch } from 'node:os'
import { basename, join } from 'node:path'
import { PurlinError } from '@purlin/base'
import { packTree } from '../guest/initrd.ts'
import { indexModules, kernelVersion, unpackKernel, withDependencies } from '../guest/kernel.ts'
import { type GuestPackages, unpackPackages } from '../guest/packages.ts'
import { inputKey } from '../native/input-key.ts'
import { repository } from '../repository.ts'

/** Debian's whole kernel: the small one for virtual machines has no 9p. */
const PACKAGES: GuestPackages = { kernel: 'linux-image-amd64', others: ['busybox-static'] }

const RECIPE = ['guest/initrd.ts', 'guest/kernel.ts', 'guest/packages.ts', 'kernel-lab/image.ts']
const CONTENTS = ['kernel-lab/init', 'kernel-lab/guest']

/** What stands between the kernel's start and its root file system. */
const FIRST_MODULES = ['virtio_pci', '9pnet_virtio', '9p', 'overlay', 'virtio_rng']

/** Folders of modules that no suite needs, which are most of them. */
const DROPPED = [
  ...['gpu', 'media', 'infiniband', 'staging', 'iio', 'usb', 'hid', 'input', 'hwmon', 'isdn'],
  ...['bluetooth', 'net/wireless', 'net/ethernet', 'scsi', 'video', 'platform', 'i2c', 'mtd'],
].map((folder) => `drivers/${folder}`)
const DROPPED_OTHERS = ['sound', 'net/wireless', 'net/mac80211', 'net/bluetooth']

/** What a lab guest is started from. */
export interface LabImage {
  readonly kernel: string
  readonly initrd: string
  /** Becomes the guest's /lib/modules. */
  readonly modules: string
}

/** Brings the lab's image in `folder` up to date.
 *  Errors: PUR_HOST_UNFIT on another processor than x86-64, PUR_EXEC_NOT_FOUND without kmod, xz or
 *  cpio, PUR_EXEC_FAILED when apt cannot fetch a package. */
export async function labImage(folder: string): Promise<LabImage> {
  if (arch() !== 'x64') {
    throw new PurlinError('PUR_HOST_UNFIT', {
      message: `the kernel lab is made for x86-64 alone, and this machine is ${arch()}`,
    })
  }
  const image = {
    kernel: join(folder, 'vmlinux'),
    initrd: join(folder, 'initrd'),
    modules: join(folder, 'modules'),
  }
  const inputs = [...RECIPE, ...CONTENTS].map((name) => `tools/${name}`)
  const key = await inputKey(repository, inputs, [])
  const keyFile = join(folder, 'key')
  if ((await readFile(keyFile, 'utf8').catch(() => '')) === key) return image

  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const workFolder = await mkdtemp(join(folder, 'build-'))
  try {
    await buildInto(image, workFolder)
  } finally {
    await rm(workFolder, { recursive: true })
  }
  await writeFile(keyFile, key)
  return image
}

async function buildInto(image: LabImage, workFolder: string): Promise<void> {
  const root = await unpackPackages(workFolder, PACKAGES)
  const version = await kernelVersion(root)
  const modules = join(root, 'lib/modules')
  for (const dropped of [...DROPPED, ...DROPPED_OTHERS]) {
    await rm(join(modules, version, 'kernel', dropped), { recursive: true, force: true })
  }
  await indexModules(root, version)
  const tree = join(workFolder, 'tree')
  for (const name of ['bin', 'dev', 'm', 'proc', 'sys']) {
    await mkdir(join(tree, name), { recursive: true })
  }
  await copyFile(join(root, 'bin/busybox'), join(tree, 'bin/busybox'))
  const paths = await withDependencies(root, version, FIRST_MODULES)
  for (const path of paths) await copyFile(path, join(tree, 'm', basename(path)))
  await writeFile(join(tree, 'm/order'), paths.map((path) => `${basename(path)}\n`).join(''))
  for (const name of ['init', 'guest']) {
    await copyFile(join(import.meta.dirname, name), join(tree, name))
    await chmod(join(tree, name), 0o755)
  }
  await packTree(tree, image.initrd)
  await unpackKernel(join(root, 'boot', `vmlinuz-${version}`), image.kernel)
  await rename(modules, image.modules)
}
