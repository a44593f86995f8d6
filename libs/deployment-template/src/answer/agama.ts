import type { Problem } from '@purlin/base'
import { eventUrl, fileUrl, type InstallInputs } from '../inputs.ts'
import type { Content, Layout } from '../layout.ts'
import { quoteShell } from '../quote/shell.ts'
import { type AnswerRequest, diskPath, packagesOf, type Renderer } from './target.ts'

/** A profile of Agama, the installer of SLES 16 (Agama's documentation, unattended installation).
 *  */
export const agama: Renderer = {
  backend: 'network-manager',
  refusals,
  render: (request) => ({
    name: 'profile.json',
    content: `${JSON.stringify(profileOf(request), undefined, 2)}\n`,
  }),
}

/** Agama reads its proxy before it has a profile. */
function refusals({ spec }: AnswerRequest): readonly Problem[] {
  return spec.proxy === undefined
    ? []
    : [
        {
          path: 'proxy',
          message: 'Agama takes a proxy from its boot parameters only, not from a profile',
        },
      ]
}

function profileOf(request: AnswerRequest): Readonly<Record<string, unknown>> {
  const { spec, layout, inputs } = request
  const [first] = inputs.users
  return {
    product: { id: 'SLES' },
    hostname: { static: inputs.hostname },
    localization: {
      language: spec.locale,
      keyboard: spec.keyboard,
      timezone: spec.timezone,
    },
    ...(first !== undefined && {
      user: {
        fullName: first.name,
        userName: first.name,
        // Agama wants a password; no text has this hash.
        password: first.passwordHash ?? '!',
        hashedPassword: true,
      },
    }),
    software: { packages: packagesOf(request, ['curl', 'NetworkManager', 'openssh']) },
    storage: storageOf(layout),
    scripts: {
      pre: [{ name: 'purlin-before', content: beforeScript(inputs) }],
      post: [
        {
          name: 'purlin-post',
          chroot: true,
          content: `#!/bin/sh\nset -e\n${fetchAndRun(inputs, 'post.sh')}\n`,
        },
      ],
    },
  }
}

function beforeScript(inputs: InstallInputs): string {
  const post = (step: string): string =>
    `curl -gfsS -m 10 -X POST ${quoteShell(eventUrl(inputs, step))} || true`
  return [
    '#!/bin/sh',
    'set -e',
    post('installing'),
    ...inputs.scripts.before.map((_, index) => fetchAndRun(inputs, `before-${index}.sh`)),
    post('partitioning'),
    '',
  ].join('\n')
}

function fetchAndRun(inputs: InstallInputs, name: string): string {
  const local = quoteShell(`/tmp/fetched-${name}`)
  return `curl -gfsS -m 120 -o ${local} ${quoteShell(fileUrl(inputs, name))} && sh ${local}`
}

function storageOf(layout: Layout): Readonly<Record<string, unknown>> {
  return {
    // The layout holds what booting needs already.
    boot: { configure: false },
    drives: layout.disks.map((disk) => ({
      search: { condition: { name: diskPath(disk) }, max: 1, ifNotFound: 'error' },
      ptableType: disk.table === 'mbr' ? 'msdos' : 'gpt',
      partitions: [
        { search: '*', delete: true },
        ...disk.partitions.map(({ id, sizeMiB, grow, content }) => ({
          alias: id,
          ...idOf(content),
          size: sizeOf(sizeMiB, grow),
          ...filesystemOf(content),
        })),
      ],
    })),
    mdRaids: layout.arrays.map(({ id, name, level, members, content }) => ({
      alias: id,
      name,
      level: `raid${level}`,
      devices: members,
      ...filesystemOf(content),
    })),
    volumeGroups: layout.groups.map(({ name, physicalVolumes, volumes }) => ({
      name,
      physicalVolumes,
      logicalVolumes: volumes.map((volume) => ({
        name: volume.name,
        size: sizeOf(volume.sizeMiB, volume.grow),
        ...filesystemOf(volume.content),
      })),
    })),
  }
}

function sizeOf(sizeMiB: number, grow: boolean): string | { readonly min: string } {
  return grow ? { min: `${Math.min(sizeMiB, 64)} MiB` } : `${sizeMiB} MiB`
}

function idOf(content: Content): { readonly id?: string } {
  switch (content.kind) {
    case 'bios-boot':
      return { id: 'bios_boot' }
    case 'esp':
      return { id: 'esp' }
    case 'filesystem':
      return { id: 'linux' }
    default:
      return { id: content.kind }
  }
}

function filesystemOf(content: Content): Readonly<Record<string, unknown>> {
  switch (content.kind) {
    case 'esp':
      return { filesystem: { path: '/boot/efi', type: 'vfat' } }
    case 'swap':
      return { filesystem: { path: 'swap', type: 'swap' } }
    case 'filesystem':
      return { filesystem: { path: content.mount, type: content.filesystem } }
    default:
      return {}
  }
}
