/** Builds the probe guest: `node --conditions=purlin-source tools/guest/build.ts FOLDER` writes
 *  FOLDER/{vmlinux,vmlinuz,initrd,image.json} out of Debian packages, which are downloaded and
 *  not installed, and of the probe. An image of the same recipe is kept. */
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { arch } from 'node:os'
import { join, resolve } from 'node:path'
import { PurlinError } from '@purlin/base'
import { buildNative, probePath } from '../native/build.ts'
import { inputKey } from '../native/input-key.ts'
import { makeTree, packTree } from './initrd.ts'
import { kernelVersion, moduleOrder, unpackKernel } from './kernel.ts'
import { unpackPackages } from './packages.ts'

const repository = join(import.meta.dirname, '../..')
const recipe = ['build.ts', 'initrd.ts', 'kernel.ts', 'libraries.ts', 'packages.ts']
const contents = ['init', 'dhcpcd.conf', 'dhcpcd-hook', 'shutdown']

/** What makes a boot without a real processor's help short. */
const COMMAND_LINE =
  'console=ttyS0 quiet tsc=reliable no_timer_check mitigations=off nokaslr ' +
  'random.trust_cpu=on audit=0 8250.nr_uarts=1 cryptomgr.notests rcupdate.rcu_expedited=1'

/** What `image.json` says: files beside it, and the kernel's command line, to which
 *  `purlin.tcp=22,80`, `purlin.udp=53` and `purlin.shell=1` may be added. */
export interface GuestImage {
  readonly kernel: string
  readonly initrd: string
  readonly cmdline: string
}

/** Brings the image in `folder` up to date; true if it had to be built.
 *  Errors: PUR_HOST_UNFIT on another processor than x86-64, PUR_NATIVE_MISSING without Rust,
 *  PUR_EXEC_NOT_FOUND without kmod, lz4, cpio or binutils, PUR_EXEC_FAILED when apt cannot fetch
 *  a package. */
export async function buildGuest(folder: string): Promise<boolean> {
  if (arch() !== 'x64') {
    throw new PurlinError('PUR_HOST_UNFIT', {
      message: `the probe guest is built for x86-64 alone, and this machine is ${arch()}`,
    })
  }
  await buildNative(['probe'])
  const inputs = [...recipe, ...contents].map((name) => `tools/guest/${name}`)
  const key = await inputKey(repository, [...inputs, '.purlin/probe/probe'], [])
  const keyFile = join(folder, 'key')
  if ((await readFile(keyFile, 'utf8').catch(() => '')) === key) return false

  await mkdir(folder, { recursive: true })
  await rm(keyFile, { force: true })
  const workFolder = await mkdtemp(join(folder, 'build-'))
  try {
    await buildInto(folder, workFolder)
  } finally {
    await rm(workFolder, { recursive: true })
  }
  await writeFile(keyFile, key)
  return true
}

async function buildInto(folder: string, workFolder: string): Promise<void> {
  const root = await unpackPackages(workFolder)
  const version = await kernelVersion(root)
  const tree = join(workFolder, 'tree')
  await makeTree(root, tree, probePath, await moduleOrder(root, version))
  await packTree(tree, join(workFolder, 'initrd'))
  await rename(join(root, 'boot', `vmlinuz-${version}`), join(workFolder, 'vmlinuz'))
  await unpackKernel(join(workFolder, 'vmlinuz'), join(workFolder, 'vmlinux'))
  const image: GuestImage = { kernel: 'vmlinux', initrd: 'initrd', cmdline: COMMAND_LINE }
  await writeFile(join(workFolder, 'image.json'), `${JSON.stringify(image, null, 2)}\n`)
  for (const name of ['vmlinux', 'vmlinuz', 'initrd', 'image.json']) {
    await rename(join(workFolder, name), join(folder, name))
  }
}

if (import.meta.main) {
  const [folder, ...rest] = process.argv.slice(2)
  if (folder === undefined || rest.length > 0) {
    process.stderr.write('usage: node --conditions=purlin-source tools/guest/build.ts FOLDER\n')
    process.exitCode = 2
  } else {
    try {
      const isNew = await buildGuest(resolve(folder))
      process.stderr.write(`probe guest in ${folder}: ${isNew ? 'built' : 'up to date'}\n`)
    } catch (error) {
      if (!(error instanceof PurlinError)) throw error
      process.stderr.write(`${error.message}\n`)
      process.exitCode = 1
    }
  }
}
