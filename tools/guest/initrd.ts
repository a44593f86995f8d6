import { chmod, copyFile, mkdir, readdir, writeFile } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { run } from '@purlin/base'
import type { ModuleOrder } from './kernel.ts'
import { copyLibraries } from './libraries.ts'

const CPIO_TIMEOUT_MS = 60_000

const FOLDERS =
  'bin dev etc lib/x86_64-linux-gnu lib64 m proc root run sbin sys tmp var/lib/dhcpcd var/run'

/** Fills `tree` with the guest's files: programs and libraries of the packages unpacked in
 *  `root`, the probe, the modules, and what lies beside this file. */
export async function makeTree(
  root: string,
  tree: string,
  probe: string,
  modules: ModuleOrder,
): Promise<void> {
  for (const folder of FOLDERS.split(' ')) await mkdir(join(tree, folder), { recursive: true })
  const linked = [join(root, 'usr/sbin/qemu-ga'), join(root, 'usr/sbin/dhcpcd')]
  for (const program of [join(root, 'bin/busybox'), ...linked, probe]) {
    await copyFile(program, join(tree, 'bin', basename(program)))
  }
  await copyLibraries(root, tree, linked)
  for (const name of ['first', 'later'] as const) {
    const paths = modules[name]
    for (const path of paths) await copyFile(path, join(tree, 'm', basename(path)))
    await writeFile(join(tree, 'm', name), paths.map((path) => `${basename(path)}\n`).join(''))
  }
  await writeFile(join(tree, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n')
  await writeFile(join(tree, 'etc/group'), 'root:x:0:\n')
  const own: readonly (readonly [name: string, place: string, mode: number])[] = [
    ['init', 'init', 0o755],
    ['shutdown', 'sbin/shutdown', 0o755],
    ['dhcpcd.conf', 'etc/dhcpcd.conf', 0o644],
    ['dhcpcd-hook', 'etc/dhcpcd-hook', 0o755],
  ]
  for (const [name, place, mode] of own) {
    await copyFile(join(import.meta.dirname, name), join(tree, place))
    await chmod(join(tree, place), mode)
  }
}

/** Packs `tree` into the initial file system `target`: cpio, not compressed, since emulated
 *  processors unpack slowly, all of it owned by root. */
export async function packTree(tree: string, target: string): Promise<void> {
  const entries = await readdir(tree, { recursive: true, withFileTypes: true })
  const paths = entries.map((entry) => relative(tree, join(entry.parentPath, entry.name))).sort()
  const args = ['--quiet', '--null', '--create', '--format=newc', '--owner=+0:+0', '--file', target]
  await run('cpio', args, {
    timeoutMs: CPIO_TIMEOUT_MS,
    workingFolder: tree,
    input: paths.map((path) => `${path}\0`).join(''),
  })
}
