import { eventUrl, fileUrl, type InstallInputs } from '../inputs.ts'
import { type Content, type Layout, type LayoutArray, mountOf } from '../layout.ts'
import { quoteShell } from '../quote/shell.ts'
import { type XmlNode, xmlLines } from '../quote/xml.ts'
import { type AnswerRequest, diskPath, packagesOf, type Renderer } from './target.ts'

/** An AutoYaST profile of SLES 15 (SUSE's AutoYaST guide). One stage: nothing is left for after the
 *  first restart. */
export const autoyast: Renderer = {
  backend: 'network-manager',
  refusals: () => [],
  render: (request) => ({ name: 'autoinst.xml', content: documentOf(request) }),
}

function documentOf(request: AnswerRequest): string {
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE profile>',
    '<!-- Written by Purlin -->',
    '<profile xmlns="http://www.suse.com/1.0/yast2ns" xmlns:config="http://www.suse.com/1.0/configns">',
    ...sectionsOf(request).flatMap((section) => xmlLines(section, 1)),
    '</profile>',
    '',
  ].join('\n')
}

const text = (name: string, value: string | number): XmlNode => ({ name, text: String(value) })
const flag = (name: string, value: boolean): XmlNode => ({ name, flag: value })
const symbol = (name: string, value: string): XmlNode => ({ name, text: value, kind: 'symbol' })
const integer = (name: string, value: number): XmlNode => ({
  name,
  text: String(value),
  kind: 'integer',
})
const map = (name: string, children: readonly XmlNode[]): XmlNode => ({ name, children })
const list = (name: string, children: readonly XmlNode[]): XmlNode => ({
  name,
  children,
  list: true,
})

function sectionsOf(request: AnswerRequest): readonly XmlNode[] {
  const { spec, layout, inputs } = request
  return [
    map('general', [
      map('mode', [
        flag('confirm', false),
        flag('second_stage', false),
        flag('final_reboot', true),
      ]),
    ]),
    map('language', [text('language', spec.locale.replace(/\..*$/, ''))]),
    map('keyboard', [text('keymap', spec.keyboard)]),
    map('timezone', [text('hwclock', 'UTC'), text('timezone', spec.timezone)]),
    ...(spec.proxy === undefined
      ? []
      : [
          map('proxy', [
            flag('enabled', true),
            text('http_proxy', spec.proxy),
            text('https_proxy', spec.proxy),
          ]),
        ]),
    map('networking', [
      flag('managed', true),
      flag('keep_install_network', false),
      map('dns', [text('hostname', inputs.hostname)]),
    ]),
    list('partitioning', drivesOf(layout)),
    map('bootloader', [text('loader_type', layout.firmware === 'uefi' ? 'grub2-efi' : 'grub2')]),
    map('software', [
      flag('install_recommended', false),
      list('products', [text('product', 'SLES')]),
      list('patterns', [text('pattern', 'base')]),
      list(
        'packages',
        packagesOf(request, ['curl', 'NetworkManager', 'openssh']).map((name) =>
          text('package', name),
        ),
      ),
    ]),
    map('services-manager', [map('services', [list('enable', [text('service', 'sshd')])])]),
    list('users', [
      map('user', [text('username', 'root'), text('user_password', '!'), flag('encrypted', true)]),
      ...inputs.users.map(({ name, passwordHash }) =>
        map('user', [
          text('username', name),
          text('user_password', passwordHash ?? '!'),
          flag('encrypted', true),
        ]),
      ),
    ]),
    map('scripts', scriptsOf(inputs)),
  ]
}

function scriptsOf(inputs: InstallInputs): readonly XmlNode[] {
  const post = (step: string): string =>
    `curl -gfsS -m 10 -X POST ${quoteShell(eventUrl(inputs, step))} || true`
  const before = [
    'set -e',
    post('installing'),
    ...inputs.scripts.before.flatMap((_, index) => fetched(inputs, `before-${index}.sh`)),
    post('partitioning'),
  ].join('\n')
  return [
    list('pre-scripts', [
      map('script', [text('filename', 'purlin-before.sh'), text('source', `${before}\n`)]),
    ]),
    list('chroot-scripts', [
      map('script', [
        text('filename', 'purlin-post.sh'),
        flag('chrooted', true),
        text('source', `${['set -e', ...fetched(inputs, 'post.sh')].join('\n')}\n`),
      ]),
    ]),
  ]
}

function fetched(inputs: InstallInputs, name: string): readonly string[] {
  const local = quoteShell(`/tmp/fetched-${name}`)
  return [`curl -gfsS -m 120 -o ${local} ${quoteShell(fileUrl(inputs, name))}`, `sh ${local}`]
}

function drivesOf(layout: Layout): readonly XmlNode[] {
  const arrayOf = (name: string): LayoutArray | undefined =>
    layout.arrays.find((array) => array.name === name)
  return [
    ...layout.disks.map((disk) =>
      map('drive', [
        text('device', diskPath(disk)),
        symbol('type', 'CT_DISK'),
        text('disklabel', disk.table === 'mbr' ? 'msdos' : 'gpt'),
        flag('initialize', true),
        text('use', 'all'),
        list(
          'partitions',
          disk.partitions.map(({ number, sizeMiB, grow, content }) =>
            map('partition', [
              flag('create', true),
              integer('partition_nr', number),
              integer('partition_id', partitionId(content)),
              text('size', grow ? 'max' : `${sizeMiB}M`),
              ...useOf(content, (name) => devicePath(arrayOf(name)?.name ?? name)),
            ]),
          ),
        ),
      ]),
    ),
    ...layout.arrays.map(({ name, level, content }) =>
      map('drive', [
        text('device', devicePath(name)),
        symbol('type', 'CT_MD'),
        text('disklabel', 'none'),
        text('use', 'all'),
        list('partitions', [map('partition', useOf(content, devicePath))]),
        map('raid_options', [text('raid_type', `raid${level}`)]),
      ]),
    ),
    ...layout.groups.map(({ name, volumes }) =>
      map('drive', [
        text('device', `/dev/${name}`),
        symbol('type', 'CT_LVM'),
        text('use', 'all'),
        list(
          'partitions',
          volumes.map(({ name: volume, sizeMiB, grow, content }) =>
            map('partition', [
              flag('create', true),
              text('lv_name', volume),
              text('size', grow ? 'max' : `${sizeMiB}M`),
              ...useOf(content, devicePath),
            ]),
          ),
        ),
      ]),
    ),
  ]
}

function devicePath(array: string): string {
  return `/dev/md/${array}`
}

/** YaST's numbers: those of an MBR for what an MBR knows, its own above 255. */
function partitionId(content: Content): number {
  switch (content.kind) {
    case 'bios-boot':
      return 263
    case 'esp':
      return 259
    case 'swap':
      return 130
    case 'lvm':
      return 142
    case 'raid':
      return 253
    case 'filesystem':
      return 131
  }
}

function useOf(content: Content, pathOf: (array: string) => string): readonly XmlNode[] {
  switch (content.kind) {
    case 'bios-boot':
      return [flag('format', false)]
    case 'lvm':
      return [flag('format', false), text('lvm_group', content.group)]
    case 'raid':
      return [flag('format', false), text('raid_name', pathOf(content.array))]
    case 'swap':
      return [flag('format', true), symbol('filesystem', 'swap'), text('mount', 'swap')]
    case 'esp':
      return [flag('format', true), symbol('filesystem', 'vfat'), text('mount', '/boot/efi')]
    case 'filesystem':
      return [
        flag('format', true),
        symbol('filesystem', content.filesystem),
        text('mount', mountOf(content) ?? '/'),
      ]
  }
}
