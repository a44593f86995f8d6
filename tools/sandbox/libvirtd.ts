import { access, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PurlinError, systemClock, uuidOf } from '@purlin/base'
import type { PrivateHost } from './host.ts'

const START_TIMEOUT_MS = 15_000

/** libvirt's address of the host's daemon, as it is from inside and outside of the host. */
export function libvirtUri(host: PrivateHost): string {
  return `qemu+unix:///system?socket=${join(host.paths.libvirt.sockets, 'libvirt-sock')}`
}

/** Starts a libvirtd of the host's own; it listens in a folder that only its owner may enter. */
export async function startLibvirtd(host: PrivateHost): Promise<void> {
  const { etc, sockets } = host.paths.libvirt
  const log = join(host.paths.log, 'libvirtd.log')
  await writeFile(
    join(etc, 'libvirtd.conf'),
    [
      `unix_sock_dir = "${sockets}"`,
      'unix_sock_rw_perms = "0700"',
      'auth_unix_ro = "none"',
      'auth_unix_rw = "none"',
      // Two sandboxes on one machine must not look like one host.
      `host_uuid = "${uuidOf(host.paths.folder)}"`,
      'keepalive_interval = 2',
      'keepalive_count = 3',
      `log_outputs = "2:file:${log}"`,
      '',
    ].join('\n'),
  )
  await writeFile(
    join(etc, 'qemu.conf'),
    [
      'user = "root"',
      'group = "root"',
      'dynamic_ownership = 0',
      'remember_owner = 0',
      'security_driver = "none"',
      'cgroup_controllers = []',
      'namespaces = []',
      'stdio_handler = "file"',
      '',
    ].join('\n'),
  )
  const files = ['-f', join(etc, 'libvirtd.conf'), '-p', join(host.paths.folder, 'libvirtd.pid')]
  await host.run('libvirtd', ['-d', ...files])
  const deadlineMs = systemClock.monotonicMs() + START_TIMEOUT_MS
  const listening = (): Promise<boolean> =>
    access(join(sockets, 'libvirt-sock')).then(
      () => true,
      () => false,
    )
  while (!(await listening())) {
    if (systemClock.monotonicMs() > deadlineMs) {
      throw new PurlinError('PUR_VIRT_UNREACHABLE', {
        message: `libvirtd of the sandbox made no socket within ${START_TIMEOUT_MS} ms; its log: ${log}`,
      })
    }
    await systemClock.sleep(20)
  }
}
