import { eventUrl, fileUrl, type InstallInputs } from '../inputs.ts'
import { type Content, devicesOf, type Layout, mountOf } from '../layout.ts'
import { yamlJson } from '../quote/json.ts'
import { quoteShell } from '../quote/shell.ts'
import { type AnswerRequest, diskPath, packagesOf, type Renderer } from './target.ts'

const MIB = 1_048_576

/** Autoinstall of Ubuntu's server installer as cloud-init user data (reference of autoinstall;
 *  storage as curtin's configuration). The file is JSON, which every YAML reader takes. */
export const autoinstall: Renderer = {
  backend: 'networkd',
  refusals: () => [],
  render: (request) => ({
    name: 'user-data',
    content: `#cloud-config\n${yamlJson({ autoinstall: bodyOf(request) })}\n`,
  }),
}

function bodyOf(request: AnswerRequest): Readonly<Record<string, unknown>> {
  const { spec, layout, inputs } = request
  return {
    version: 1,
    'refresh-installer': { update: false },
    locale: spec.locale,
    keyboard: { layout: spec.keyboard },
    timezone: spec.timezone,
    ...(spec.proxy !== undefined && { proxy: spec.proxy }),
    apt: { geoip: false },
    network: autoinstallNetwork(inputs),
    storage: { swap: { size: 0 }, config: storageActions(layout) },
    ssh: { 'install-server': true, 'allow-pw': false },
    packages: packagesOf(request, ['curl']),
    'user-data': {
      hostname: inputs.hostname,
      preserve_hostname: true,
      disable_root: true,
      users: inputs.users.map((user) => ({
        name: user.name,
        shell: '/bin/bash',
        lock_passwd: user.passwordHash === undefined,
        ...(user.passwordHash !== undefined && { passwd: user.passwordHash }),
        ...(user.sudo && { groups: 'sudo' }),
        ssh_authorized_keys: user.sshKeys,
      })),
    },
    'early-commands': [
      post(eventUrl(inputs, 'installing')),
      ...inputs.scripts.before.map((_, index) => fetchAndRun(inputs, `before-${index}.sh`)),
      ...layout.disks.map((disk) => findDisk(diskPath(disk), eventUrl(inputs, 'failed'))),
      post(eventUrl(inputs, 'partitioning')),
    ],
    'late-commands': [
      fetchTo('/target/root/purlin-post.sh', fileUrl(inputs, 'post.sh')),
      ['curtin', 'in-target', '--target=/target', '--', 'sh', '/root/purlin-post.sh'],
      ['rm', '-f', '/target/root/purlin-post.sh'],
    ],
    'error-commands': [post(eventUrl(inputs, 'failed'))],
    shutdown: 'reboot',
  }
}

/** The network while installing, in netplan's format: the NIC that the machine booted from. The
 *  installed system's own is written by the post step. */
export function autoinstallNetwork(inputs: InstallInputs): Readonly<Record<string, unknown>> {
  return {
    version: 2,
    ethernets: { boot: { match: { macaddress: inputs.bootMac }, dhcp4: true } },
  }
}

function post(url: string): readonly string[] {
  return ['sh', '-c', `curl -gfsS -m 10 -X POST ${quoteShell(url)} || true`]
}

function fetchTo(path: string, url: string): readonly string[] {
  return ['curl', '-gfsS', '-m', '120', '-o', path, url]
}

function fetchAndRun(inputs: InstallInputs, name: string): readonly string[] {
  const local = quoteShell(`/run/purlin-${name}`)
  const fetch = `curl -gfsS -m 120 -o ${local} ${quoteShell(fileUrl(inputs, name))}`
  return ['sh', '-c', `${fetch} && sh ${local}`]
}

/** The installer knows disks by the kernel's name alone, so the lasting name is put right in its
 *  own copy of this file, which it reads again after these commands. A disk that is missing ends
 *  the installation before anything is written. */
function findDisk(path: string, failedUrl: string): readonly string[] {
  const link = quoteShell(path)
  const pattern = path.replaceAll(/[.+]/g, (character) => `[${character}]`)
  // Only at the end of a line, so that no longer name is taken for this one.
  const [found, rest] = [quoteShell(`s|${pattern}(["']?,?)$|`), quoteShell('\\1|')]
  const sed = `sed -i -E ${found}"$(readlink -f ${link})"${rest} /autoinstall.yaml`
  const missing = `curl -gfsS -m 10 -X POST ${quoteShell(failedUrl)}; exit 1`
  return ['sh', '-c', `if [ -b ${link} ]; then ${sed}; else ${missing}; fi`]
}

type Action = Readonly<Record<string, unknown>> & { readonly type: string; readonly id: string }

function storageActions(layout: Layout): readonly Action[] {
  return [
    ...layout.disks.flatMap((disk): Action[] => [
      {
        type: 'disk',
        id: disk.id,
        path: diskPath(disk),
        ptable: disk.table === 'mbr' ? 'msdos' : 'gpt',
        wipe: 'superblock-recursive',
        preserve: false,
        grub_device: disk.boot && layout.firmware === 'bios',
      },
      ...disk.partitions.map(
        ({ id, number, sizeMiB, content }): Action => ({
          type: 'partition',
          id,
          device: disk.id,
          number,
          size: sizeMiB * MIB,
          wipe: 'superblock',
          preserve: false,
          ...flagOf(content, layout),
        }),
      ),
    ]),
    ...layout.arrays.map(
      ({ id, name, level, members }): Action => ({
        type: 'raid',
        id,
        name,
        raidlevel: `raid${level}`,
        devices: members,
        preserve: false,
      }),
    ),
    ...layout.groups.flatMap(({ name, physicalVolumes, volumes }, index): Action[] => [
      { type: 'lvm_volgroup', id: `g${index}`, name, devices: physicalVolumes, preserve: false },
      ...volumes.map(
        ({ id, name: volume, sizeMiB }): Action => ({
          type: 'lvm_partition',
          id,
          volgroup: `g${index}`,
          name: volume,
          size: sizeMiB * MIB,
          wipe: 'superblock',
          preserve: false,
        }),
      ),
    ]),
    ...devicesOf(layout).flatMap(({ part }) => usesOf(part.id, part.content)),
  ]
}

function flagOf(content: Content, layout: Layout): Readonly<Record<string, unknown>> {
  if (content.kind === 'bios-boot') return { flag: 'bios_grub' }
  if (content.kind !== 'esp') return {}
  return { flag: 'boot', ...(layout.firmware === 'uefi' && { grub_device: true }) }
}

function usesOf(id: string, content: Content): readonly Action[] {
  const fstype = fstypeOf(content)
  if (fstype === undefined) return []
  const path = mountOf(content) ?? ''
  return [
    { type: 'format', id: `${id}-format`, volume: id, fstype, preserve: false },
    { type: 'mount', id: `${id}-mount`, device: `${id}-format`, path },
  ]
}

function fstypeOf(content: Content): string | undefined {
  if (content.kind === 'esp') return 'fat32'
  if (content.kind === 'swap') return 'swap'
  return content.kind === 'filesystem' ? content.filesystem : undefined
}
