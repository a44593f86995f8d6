import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@purlin/base'

const TIMEOUT_MS = 60_000

/** A root file system that is no more than a shell, as an archive: programs of a real one are
 *  scripts that write down how they were called. `archives` holds Debian packages. */
export async function tinyRoot(archives: string, folder: string): Promise<string> {
  const root = join(folder, 'root')
  await mkdir(root)
  for (const name of await readdir(archives)) {
    if (!/^(busybox|libc6)_/.test(name)) continue
    await run('dpkg-deb', ['-x', join(archives, name), root], { timeoutMs: TIMEOUT_MS })
  }
  for (const path of ['etc/ssh', 'etc/default', 'sbin', 'usr/bin', 'boot', 'var', 'bin']) {
    await mkdir(join(root, path), { recursive: true })
  }
  for (const name of ['sh', 'cat', 'echo', 'hostname']) {
    await symlink('busybox', join(root, 'bin', name))
  }
  await writeFile(join(root, 'etc/machine-id'), `${'a'.repeat(32)}\n`)
  await writeFile(join(root, 'etc/ssh/ssh_host_rsa_key'), 'of the maker\n')
  const scripts = {
    'sbin/grub-install': 'echo "grub-install $*" >>/boot/calls',
    'sbin/update-grub': 'echo "update-grub" >>/boot/calls',
    'usr/bin/ssh-keygen': 'echo "of this machine" >/etc/ssh/ssh_host_rsa_key',
  }
  for (const [path, text] of Object.entries(scripts)) {
    await writeFile(join(root, path), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  }
  const archive = join(folder, 'root.tar.zst')
  const options = ['--create', '--zstd', '--numeric-owner', '--owner=0', '--group=0']
  await run('tar', [...options, '--file', archive, '--directory', root, '.'], {
    timeoutMs: TIMEOUT_MS,
  })
  return archive
}
