import type { Problem } from '@purlin/base'
import { eventUrl, fileUrl, type InstallInputs } from '../inputs.ts'
import { type Content, type LayoutVolume, mountOf } from '../layout.ts'
import { preseedLine } from '../quote/preseed.ts'
import { quoteShell } from '../quote/shell.ts'
import { type AnswerRequest, diskPath, packagesOf, type Renderer } from './target.ts'

/** Preseed of Debian 12 and 13 (installation guide, appendix B; partman-auto-recipe.txt of
 *  debian-installer's documentation). */
export const preseed: Renderer = {
  backend: 'networkd',
  refusals,
  render: (request) => ({ name: 'preseed.cfg', content: `${linesOf(request).join('\n')}\n` }),
}

/** partman-auto lays one recipe on one disk; the rest is for the image path. */
function refusals({ layout }: AnswerRequest): readonly Problem[] {
  const problems: Problem[] = []
  const image = 'deploy it from an image instead'
  for (const { path } of layout.disks.slice(1)) {
    problems.push({ path, message: `Debian’s installer partitions one disk; ${image}` })
  }
  for (const { path } of layout.arrays) {
    const message = `a recipe of Debian’s installer holds no array beside volumes; ${image}`
    problems.push({ path, message })
  }
  for (const { path } of layout.groups.slice(1)) {
    problems.push({ path, message: `Debian’s installer makes one volume group; ${image}` })
  }
  const physical = layout.disks
    .flatMap(({ partitions }) => partitions)
    .filter(({ content }) => content.kind === 'lvm')
  for (const { path, grow } of physical) {
    if (grow) continue
    const message = 'Debian’s installer gives the group the rest of the disk; say grow: true'
    problems.push({ path: `${path}.sizeMiB`, message })
  }
  return problems
}

function linesOf(request: AnswerRequest): readonly string[] {
  const { spec, layout, inputs } = request
  const [disk] = layout.disks
  const media = new URL(inputs.mediaUrl)
  const [first] = inputs.users
  const di = (question: string, type: string, value = ''): string =>
    preseedLine('d-i', question, type, value)
  return [
    '# Written by Purlin',
    di('debian-installer/locale', 'string', spec.locale),
    di('keyboard-configuration/xkb-keymap', 'select', spec.keyboard),
    di('netcfg/choose_interface', 'select', 'auto'),
    di('netcfg/get_hostname', 'string', inputs.hostname.split('.')[0]),
    di('netcfg/get_domain', 'string', inputs.hostname.split('.').slice(1).join('.')),
    di('netcfg/wireless_wep', 'string'),
    di('hw-detect/load_firmware', 'boolean', 'false'),
    di('mirror/country', 'string', 'manual'),
    di('mirror/protocol', 'string', media.protocol.slice(0, -1)),
    di(`mirror/${media.protocol.slice(0, -1)}/hostname`, 'string', media.host),
    di(`mirror/${media.protocol.slice(0, -1)}/directory`, 'string', media.pathname),
    di(`mirror/${media.protocol.slice(0, -1)}/proxy`, 'string', spec.proxy),
    di('mirror/suite', 'string', request.target === 'debian-12' ? 'bookworm' : 'trixie'),
    di('preseed/early_command', 'string', earlyCommand(inputs)),
    di('partman/early_command', 'string', diskCommand(request)),
    di('passwd/root-login', 'boolean', 'false'),
    di('passwd/make-user', 'boolean', 'true'),
    di('passwd/user-fullname', 'string', first?.name),
    di('passwd/username', 'string', first?.name),
    di('passwd/user-password-crypted', 'password', first?.passwordHash ?? '!'),
    di('clock-setup/utc', 'boolean', 'true'),
    di('clock-setup/ntp', 'boolean', 'false'),
    di('time/zone', 'string', spec.timezone),
    di('partman-auto/method', 'string', layout.groups.length > 0 ? 'lvm' : 'regular'),
    ...layout.groups.map(({ name }) => di('partman-auto-lvm/new_vg_name', 'string', name)),
    di('partman-auto-lvm/guided_size', 'string', 'max'),
    di('partman-auto-lvm/no_boot', 'boolean', 'true'),
    di('partman-lvm/device_remove_lvm', 'boolean', 'true'),
    di('partman-md/device_remove_md', 'boolean', 'true'),
    di('partman-lvm/confirm', 'boolean', 'true'),
    di('partman-lvm/confirm_nooverwrite', 'boolean', 'true'),
    di('partman-basicfilesystems/no_swap', 'boolean', 'false'),
    di('partman-efi/non_efi_system', 'boolean', layout.firmware === 'uefi' ? 'true' : 'false'),
    di('partman-partitioning/choose_label', 'select', disk?.table === 'mbr' ? 'msdos' : 'gpt'),
    di('partman-partitioning/default_label', 'string', disk?.table === 'mbr' ? 'msdos' : 'gpt'),
    di('partman-auto/choose_recipe', 'select', 'purlin'),
    di('partman-auto/expert_recipe', 'string', `purlin :: ${recipeOf(request).join(' ')}`),
    di('partman-partitioning/confirm_write_new_label', 'boolean', 'true'),
    di('partman/choose_partition', 'select', 'finish'),
    di('partman/confirm', 'boolean', 'true'),
    di('partman/confirm_nooverwrite', 'boolean', 'true'),
    di('base-installer/install-recommends', 'boolean', 'false'),
    di('apt-setup/services-select', 'multiselect'),
    di('apt-setup/cdrom/set-first', 'boolean', 'false'),
    di('apt-setup/disable-cdrom-entries', 'boolean', 'true'),
    preseedLine('tasksel', 'tasksel/first', 'multiselect', ''),
    di('pkgsel/include', 'string', packagesOf(request, ['curl', 'openssh-server']).join(' ')),
    di('pkgsel/upgrade', 'select', 'none'),
    di('pkgsel/update-policy', 'select', 'none'),
    preseedLine('popularity-contest', 'popularity-contest/participate', 'boolean', 'false'),
    di('grub-installer/only_debian', 'boolean', 'true'),
    di('grub-installer/with_other_os', 'boolean', 'false'),
    di('cdrom-detect/eject', 'boolean', 'false'),
    di('finish-install/reboot_in_progress', 'note'),
    di('preseed/late_command', 'string', lateCommand(inputs)),
  ]
}

/** Sizes are in units of 1,000,000 bytes; a line is least, priority, most, file system. */
function recipeOf({ layout }: AnswerRequest): readonly string[] {
  const [disk] = layout.disks
  const plain = (disk?.partitions ?? []).filter(({ content }) => content.kind !== 'lvm')
  return [
    ...plain.map((part) => `${sizesOf(part)} ${partOf(part.content)} .`),
    ...layout.groups.flatMap(({ volumes }) =>
      volumes.map(
        (volume) =>
          `${sizesOf(volume)} ${partOf(volume.content, `$lvmok{ } lv_name{ ${volume.name} }`)} .`,
      ),
    ),
  ]
}

function sizesOf({ sizeMiB, grow }: Pick<LayoutVolume, 'sizeMiB' | 'grow'>): string {
  const megabytes = Math.ceil((sizeMiB * 1_048_576) / 1_000_000)
  return grow ? `${Math.min(megabytes, 64)} 1000000 -1` : `${megabytes} ${megabytes} ${megabytes}`
}

function partOf(content: Content, place = '$primary{ }'): string {
  switch (content.kind) {
    case 'bios-boot':
      return 'free $iflabel{ gpt } $reusemethod{ } method{ biosgrub }'
    case 'esp':
      return 'free $iflabel{ gpt } $reusemethod{ } method{ efi } format{ }'
    case 'swap':
      return `linux-swap ${place} method{ swap } format{ }`
    case 'filesystem': {
      const mount = mountOf(content) ?? '/'
      const use = `use_filesystem{ } filesystem{ ${content.filesystem} } mountpoint{ ${mount} }`
      return `${content.filesystem} ${place} method{ format } format{ } ${use}`
    }
    default:
      return `free ${place} method{ keep }`
  }
}

/** The installer's own shell has wget, no curl. */
function post(url: string): string {
  return `wget -q -O /dev/null --post-data='{}' ${quoteShell(url)} || true`
}

function earlyCommand(inputs: InstallInputs): string {
  return [
    post(eventUrl(inputs, 'installing')),
    ...inputs.scripts.before.map((_, index) => {
      const local = quoteShell(`/tmp/before-${index}.sh`)
      const url = quoteShell(fileUrl(inputs, `before-${index}.sh`))
      return `wget -q -O ${local} ${url} && sh ${local}`
    }),
  ].join('; ')
}

/** The disk is found by its lasting name just before it is written. Where it is not there, nothing
 *  is answered: partman has no disk to wipe, and the machine stops. */
function diskCommand({ layout, inputs }: AnswerRequest): string {
  const [disk] = layout.disks
  const link = quoteShell(disk === undefined ? '' : diskPath(disk))
  const device = `"$(readlink -f ${link})"`
  const found = [
    `debconf-set partman-auto/disk ${device}`,
    `debconf-set grub-installer/bootdev ${device}`,
    post(eventUrl(inputs, 'partitioning')),
  ].join('; ')
  const missing = `${post(eventUrl(inputs, 'failed'))}; poweroff -f; exit 1`
  return `if [ -b ${link} ]; then ${found}; else ${missing}; fi`
}

function lateCommand(inputs: InstallInputs): string {
  const fetch = `wget -q -O /target/root/purlin-post.sh ${quoteShell(fileUrl(inputs, 'post.sh'))}`
  const clean = 'rm -f /target/root/purlin-post.sh'
  return `${fetch} && in-target sh /root/purlin-post.sh && ${clean}`
}
