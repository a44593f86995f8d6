import type { Problem } from '@purlin/base'
import { eventUrl, fileUrl, type InstallInputs } from '../inputs.ts'
import type { Content, Layout, LayoutPartition } from '../layout.ts'
import { quoteKickstart as quote } from '../quote/kickstart.ts'
import { quoteShell } from '../quote/shell.ts'
import { type AnswerRequest, packagesOf, type Renderer } from './target.ts'

/** Kickstart of RHEL 9 and 10 and of what is built from them (pykickstart's documentation). */
export const kickstart: Renderer = {
  backend: 'network-manager',
  refusals,
  render: (request) => ({ name: 'answer.ks', content: `${linesOf(request).join('\n')}\n` }),
}

/** `clearpart` knows one kind of table for all disks, and pykickstart one partition called
 *  biosboot. A mirrored /boot with one of two would make grub2-install fail on the other disk. */
function refusals({ layout }: AnswerRequest): readonly Problem[] {
  const first = layout.disks[0]?.table
  const loaders = layout.disks.filter(({ partitions }) =>
    partitions.some(({ content }) => content.kind === 'bios-boot'),
  )
  const advice = 'boot by UEFI or deploy it from an image instead'
  return [
    ...layout.disks
      .filter(({ table }) => table !== first)
      .map(({ path, table }) => ({
        path: `${path}.table`,
        message: `is ${table} beside ${first}; a kickstart has one kind of table for all disks`,
      })),
    ...loaders.slice(1).map(({ path }) => ({
      path,
      message: `a kickstart starts BIOS from one gpt disk, this would be another; ${advice}`,
    })),
  ]
}

function linesOf(request: AnswerRequest): readonly string[] {
  const { spec, layout, inputs } = request
  const proxy = spec.proxy === undefined ? '' : ` --proxy=${quote(spec.proxy)}`
  return [
    '# Written by Purlin',
    'text',
    `url --url=${quote(inputs.mediaUrl)}${proxy}`,
    `lang ${quote(spec.locale)}`,
    `keyboard ${quote(spec.keyboard)}`,
    `timezone ${quote(spec.timezone)} --utc`,
    `network --bootproto=dhcp --device=${inputs.bootMac} --activate` +
      ` --hostname=${quote(inputs.hostname)}`,
    'rootpw --lock',
    ...inputs.users.map(userLine),
    'services --enabled=sshd',
    'skipx',
    'eula --agreed',
    'reboot',
    ...storageLines(layout),
    '%packages',
    '@^minimal-environment',
    ...packagesOf(request, ['curl', 'NetworkManager', 'openssh-server']),
    '%end',
    '%pre --erroronfail',
    `curl -gfsS -m 10 -X POST ${quoteShell(eventUrl(inputs, 'installing'))} || true`,
    ...inputs.scripts.before.flatMap((_, index) => fetched(inputs, `before-${index}.sh`)),
    `curl -gfsS -m 10 -X POST ${quoteShell(eventUrl(inputs, 'partitioning'))} || true`,
    '%end',
    '%onerror',
    `curl -gfsS -m 10 -X POST ${quoteShell(eventUrl(inputs, 'failed'))} || true`,
    '%end',
    '%post --erroronfail',
    ...fetched(inputs, 'post.sh'),
    '%end',
  ]
}

function userLine({ name, passwordHash, sudo }: InstallInputs['users'][number]): string {
  const password =
    passwordHash === undefined ? '--lock' : `--iscrypted --password=${quote(passwordHash)}`
  return `user --name=${quote(name)} ${password}${sudo ? ' --groups=wheel' : ''}`
}

function fetched(inputs: InstallInputs, name: string): readonly string[] {
  const local = quoteShell(`/tmp/purlin-${name}`)
  const from = quoteShell(fileUrl(inputs, name))
  return ['set -e', `curl -gfsS -m 120 -o ${local} ${from}`, `sh ${local}`]
}

function storageLines(layout: Layout): readonly string[] {
  const names = layout.disks.map(diskName).join(',')
  const label = layout.disks[0]?.table === 'mbr' ? 'msdos' : 'gpt'
  const boot = layout.disks.find((disk) => disk.boot)
  return [
    'zerombr',
    `ignoredisk --only-use=${quote(names)}`,
    `clearpart --all --initlabel --disklabel=${label} --drives=${quote(names)}`,
    ...(boot === undefined ? [] : [`bootloader --boot-drive=${quote(diskName(boot))}`]),
    ...layout.disks.flatMap((disk) =>
      disk.partitions.map((part) => partitionLine(part, diskName(disk))),
    ),
    ...layout.arrays.map(
      ({ id, name, level, members, content }) =>
        `raid ${placeOf(content, id)} --device=${quote(name)} --level=RAID${level}` +
        `${typeOf(content)} ${members.map((member) => `raid.${member}`).join(' ')}`,
    ),
    ...layout.groups.flatMap(({ name, physicalVolumes, volumes }) => [
      `volgroup ${quote(name)} ${physicalVolumes.map((id) => `pv.${id}`).join(' ')}`,
      ...volumes.map(
        ({ id, content, grow, sizeMiB, name: volume }) =>
          `logvol ${placeOf(content, id)} --vgname=${quote(name)} --name=${quote(volume)}` +
          `${sizeOf(sizeMiB, grow)}${typeOf(content)}`,
      ),
    ]),
  ]
}

/** Anaconda takes names below /dev, links of udev too. */
function diskName({ link }: { readonly link: string }): string {
  return `disk/by-id/${link}`
}

function partitionLine(part: LayoutPartition, disk: string): string {
  const { id, content, sizeMiB, grow } = part
  const size = sizeOf(sizeMiB, grow)
  return `part ${placeOf(content, id)} --ondisk=${quote(disk)}${size}${typeOf(content)}`
}

/** What grows asks for little and takes the rest, so that no rounding of ours can be in its way. */
function sizeOf(sizeMiB: number, grow: boolean): string {
  return grow ? ` --size=${Math.min(sizeMiB, 64)} --grow` : ` --size=${sizeMiB}`
}

function placeOf(content: Content, id: string): string {
  switch (content.kind) {
    case 'filesystem':
      return quote(content.mount)
    case 'esp':
      return '/boot/efi'
    case 'bios-boot':
      return 'biosboot'
    case 'swap':
      return 'swap'
    case 'lvm':
      return `pv.${id}`
    case 'raid':
      return `raid.${id}`
  }
}

function typeOf(content: Content): string {
  switch (content.kind) {
    case 'filesystem':
      return ` --fstype=${content.filesystem}`
    case 'esp':
      return ' --fstype=efi'
    case 'bios-boot':
      return ' --fstype=biosboot'
    case 'swap':
      return ' --fstype=swap'
    default:
      return ''
  }
}
