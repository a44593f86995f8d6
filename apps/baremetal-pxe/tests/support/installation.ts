import { join } from 'node:path'
import { run, systemClock } from '@purlin/base'
import type { Road } from './road.ts'
import { until } from './until.ts'

const BUILT = join(import.meta.dirname, '../../../../.purlin/bare-metal')
const SSH_TIMEOUT_MS = 60_000
const DISK_TIMEOUT_MS = 60_000
const COPY_TIMEOUT_MS = 5 * 60_000
export const SSH_OPTIONS = [
  ...['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'BatchMode=yes'],
  ...['ConnectTimeout=20', 'LogLevel=ERROR'],
].flatMap((option) => ['-o', option])
export const ADDRESS = '10.88.0.50'
export const MACS = ['52:54:00:88:00:07', '52:54:00:88:00:08'] as const

/** Documents that install a system with LVM, a bond and a fixed address on `c1`. Shape: `source`
 *  is of an instance; the root image and the installation medium are those of the clone. */
export function installationOf(source: 'image' | 'media', monitoring: boolean): string {
  const contents = {
    image: `kind: Image
name: debian
spec: { family: debian, version: "13", file: ${join(BUILT, 'debian-13.tar.zst')} }`,
    media: `kind: InstallMedia
name: debian
spec: { family: debian, version: "13", iso: ${join(BUILT, 'debian-13-medium.tar')} }`,
  }
  return `${contents[source]}
---
kind: DeploymentTemplate
name: server
spec:
  users: [{ name: ops, sshKeys: [./key.pub], sudo: true }]
  disks:
    - match: { smallest: true, minSizeGiB: 4 }
      partitions:
        - { sizeMiB: 512, filesystem: ext4, mount: /boot }
        - { grow: true, lvm: sys }
  lvm:
    - group: sys
      volumes:
        - { name: root, sizeGiB: 3, filesystem: ext4, mount: / }
        - { name: var, grow: true, filesystem: ext4, mount: /var }
  network:
    bonds:
      - name: bond0
        mode: active-backup
        members: [{ mac: "${MACS[0]}" }, { mac: "${MACS[1]}" }]
    addresses: [{ interface: bond0, cidr: ${ADDRESS}/24, gateway: 10.88.0.1 }]
    dns: [10.88.0.1]
  monitoring: ${monitoring}
---
kind: BareMetalInstance
name: server-1
spec: { chassis: c1, template: server, source: { ${source}: debian } }`
}

/** A key pair as the files of a road: `key` and `key.pub`. */
export async function sshKey(folder: string, name = 'key'): Promise<void> {
  const words = ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, name)]
  await run('ssh-keygen', words, { timeoutMs: SSH_TIMEOUT_MS })
}

/** Runs a command in the installed system and gives what it wrote. */
export async function inSystem(keyFile: string, ...command: readonly string[]): Promise<string> {
  const words = [...SSH_OPTIONS, '-i', keyFile, `ops@${ADDRESS}`, ...command]
  return (await run('ssh', words, { timeoutMs: SSH_TIMEOUT_MS })).stdout.trim()
}

/** Copies a file into the installed system. */
export async function copyInto(keyFile: string, source: string, target: string): Promise<void> {
  const words = [...SSH_OPTIONS, '-q', '-i', keyFile, source, `ops@${ADDRESS}:${target}`]
  await run('scp', words, { timeoutMs: COPY_TIMEOUT_MS })
}

/** Waits until the installed system lets us in; a system that starts refuses for a while. */
export async function untilReachable(keyFile: string, deadlineMs: number): Promise<void> {
  const reachable = () =>
    inSystem(keyFile, 'true').then(
      () => true,
      () => false,
    )
  await until('the installed system lets us in', reachable, deadlineMs)
}

/** Waits until `c1` is active; gives the seconds from the chassis' first power-on to each state. */
export async function untilActive(
  road: Road,
  deadlineMs: number,
): Promise<Readonly<Record<string, number>>> {
  const startMs = systemClock.monotonicMs()
  const seconds: Record<string, number> = {}
  await road.client.chassis.waitFor('c1', 'active', {
    deadlineMs,
    onLife: ({ state }) => {
      seconds[state] ??= Math.round((systemClock.monotonicMs() - startMs) / 100) / 10
    },
  })
  return seconds
}

/** The first MiB of a chassis' disk, while it is off. */
export async function headOfDisk(road: Road, name: string): Promise<string> {
  const folder = road.chassis(name).options.folder
  const words = ['dd', '-f', 'qcow2', '-O', 'raw', 'bs=1M', 'count=1']
  const files = [`if=${join(folder, 'disk0.qcow2')}`, `of=${join(folder, 'head')}`]
  await run('qemu-img', [...words, ...files], { timeoutMs: DISK_TIMEOUT_MS })
  const text = await run('od', ['-An', '-c', '-N', '65536', join(folder, 'head')], {
    timeoutMs: DISK_TIMEOUT_MS,
  })
  return text.stdout.replaceAll(/\s+/g, '')
}
