import { failure, type Problem, type Result, success } from '@purlin/base'
import type { SpecOf } from '@purlin/schema'
import { type NodeFile, scriptFiles } from '../answer/render.ts'
import { checkInputs, eventUrl, fileUrl, type InstallInputs } from '../inputs.ts'
import { type Content, type Device, devicesOf, type Layout, mountOf } from '../layout.ts'
import { type NetworkBackend, postStep } from '../post-step.ts'
import type { DeviceReference, DiskIdentity, FstabEntry, ImageStep } from './step.ts'

/** A root image as it is stored: what it is, and what its system is built of. */
export interface ImageSource {
  readonly url: string
  /** 64 hexadecimal digits of the archive. */
  readonly sha256: string
  readonly packages: 'apt' | 'dnf' | 'zypper'
  readonly backend: NetworkBackend
}

/** What the discovery system does to put an image on a chassis, and the files that it fetches. */
export interface ImagePlan {
  readonly steps: readonly ImageStep[]
  readonly files: readonly NodeFile[]
}

/** Plans the deployment of an image on a laid out chassis: disks checked, table, arrays, groups,
 *  file systems, image, fstab, identity, packages, boot loader, post step. Nothing is written
 *  before every disk has been checked. Pure and total. Errors: inputs that cannot be used. */
export function planImage(
  spec: SpecOf<'DeploymentTemplate'>,
  layout: Layout,
  inputs: InstallInputs,
  image: ImageSource,
): Result<ImagePlan, readonly Problem[]> {
  const problems = [...checkInputs(spec, inputs)]
  if (!/^[0-9a-f]{64}$/.test(image.sha256)) {
    const message = 'must be 64 hexadecimal digits; an image without a checksum is not written'
    problems.push({ path: 'image.sha256', message })
  }
  if (problems.length > 0) return failure(problems)
  const tell = (step: string): ImageStep => ({ do: 'tell', step, url: eventUrl(inputs, step) })
  const devices = devicesOf(layout)
  return success({
    steps: [
      tell('installing'),
      ...layout.disks.map((disk): ImageStep => ({ do: 'check-disk', disk: identityOf(disk) })),
      ...inputs.scripts.before.map(
        (_, index): ImageStep => ({
          do: 'run-script',
          url: fileUrl(inputs, `before-${index}.sh`),
        }),
      ),
      tell('partitioning'),
      ...storageSteps(layout),
      ...filesystemSteps(devices),
      ...mountsOf(devices).map(({ device, mount }): ImageStep => ({ do: 'mount', device, mount })),
      tell('writing'),
      { do: 'unpack', url: image.url, sha256: image.sha256 },
      { do: 'write-fstab', entries: fstabOf(devices) },
      { do: 'reset-identity', hostname: inputs.hostname },
      ...packageSteps(spec.packages, image.packages),
      tell('bootloader'),
      {
        do: 'install-boot-loader',
        firmware: layout.firmware,
        disks: layout.disks.filter(({ boot }) => boot).map(identityOf),
      },
      { do: 'run-script-in-system', url: fileUrl(inputs, 'post.sh') },
      { do: 'unmount' },
      tell('rebooting'),
      { do: 'restart-from-disk' },
    ],
    files: [
      { name: 'post.sh', content: postStep(spec, inputs, image.backend), secret: true },
      ...scriptFiles('before', inputs.scripts.before),
      ...scriptFiles('after', inputs.scripts.after),
    ],
  })
}

function storageSteps(layout: Layout): readonly ImageStep[] {
  return [
    ...layout.disks.map((disk): ImageStep => ({ do: 'wipe-disk', disk: identityOf(disk) })),
    ...layout.disks.map(
      (disk): ImageStep => ({
        do: 'write-table',
        disk: identityOf(disk),
        table: disk.table,
        partitions: disk.partitions.map(({ number, startMiB, sizeMiB, content }) => ({
          number,
          startMiB,
          sizeMiB,
          type: typeOf(content, disk.table),
          bootable: disk.boot && disk.table === 'mbr' && number === 1,
        })),
      }),
    ),
    ...layout.arrays.map(
      ({ name, level, members }): ImageStep => ({
        do: 'make-array',
        name,
        level,
        members: members.map((id) => referenceOf(layout, id)),
      }),
    ),
    ...layout.groups.flatMap(({ name, physicalVolumes, volumes }): ImageStep[] => [
      {
        do: 'make-group',
        group: name,
        physicalVolumes: physicalVolumes.map((id) => referenceOf(layout, id)),
      },
      // The one that grows takes what is left, so it comes last.
      ...volumes
        .toSorted((one, other) => Number(one.grow) - Number(other.grow))
        .map(
          (volume): ImageStep => ({
            do: 'make-volume',
            group: name,
            name: volume.name,
            ...(!volume.grow && { sizeMiB: volume.sizeMiB }),
          }),
        ),
    ]),
  ]
}

function filesystemSteps(devices: readonly Device[]): readonly ImageStep[] {
  return devices.flatMap((device): ImageStep[] => {
    const filesystem = filesystemOf(device.part.content)
    if (filesystem === undefined) return []
    return [{ do: 'make-filesystem', device: toReference(device), filesystem }]
  })
}

function filesystemOf(content: Content): 'ext4' | 'xfs' | 'vfat' | 'swap' | undefined {
  if (content.kind === 'filesystem') return content.filesystem
  if (content.kind === 'esp') return 'vfat'
  return content.kind === 'swap' ? 'swap' : undefined
}

/** Shorter paths first: a file system is mounted before what is mounted in it. */
function mountsOf(
  devices: readonly Device[],
): readonly { readonly device: DeviceReference; readonly mount: string }[] {
  return devices
    .flatMap((device) => {
      const mount = mountOf(device.part.content)
      return mount === undefined ? [] : [{ device: toReference(device), mount }]
    })
    .toSorted((one, other) => depthOf(one.mount) - depthOf(other.mount))
}

function depthOf(mount: string): number {
  return mount.split('/').filter(Boolean).length
}

function fstabOf(devices: readonly Device[]): readonly FstabEntry[] {
  const swaps = devices.filter(({ part }) => part.content.kind === 'swap')
  const filesystems = new Map(
    devices.map((device) => [mountOf(device.part.content), filesystemOf(device.part.content)]),
  )
  return [
    ...mountsOf(devices).map(({ device, mount }): FstabEntry => {
      const filesystem = filesystems.get(mount) ?? 'ext4'
      return { device, mount, filesystem, ...treatmentOf(filesystem, mount) }
    }),
    ...swaps.map(
      (device): FstabEntry => ({
        device: toReference(device),
        mount: 'none',
        filesystem: 'swap',
        options: 'sw',
        pass: 0,
      }),
    ),
  ]
}

function treatmentOf(
  filesystem: string,
  mount: string,
): { readonly options: string; readonly pass: 0 | 1 | 2 } {
  if (filesystem === 'vfat') return { options: 'umask=0077', pass: 2 }
  if (filesystem === 'xfs') return { options: 'defaults', pass: 0 }
  return mount === '/'
    ? { options: 'errors=remount-ro', pass: 1 }
    : { options: 'defaults', pass: 2 }
}

/** Types of the Discoverable Partitions Specification and of the UEFI specification; MBR's own. */
function typeOf(content: Content, table: 'gpt' | 'mbr'): string {
  const gpt = {
    'bios-boot': '21686148-6449-6E6F-744E-656564454649',
    esp: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
    swap: '0657FD6D-A4AB-43C4-84E5-0933C84B4F4F',
    lvm: 'E6D6D379-F507-44C2-A23C-238F2A3DF928',
    raid: 'A19D880F-05FC-4D3B-A006-743F0F84911E',
    filesystem: '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
  } as const
  const mbr = {
    'bios-boot': '83',
    esp: 'ef',
    swap: '82',
    lvm: '8e',
    raid: 'fd',
    filesystem: '83',
  } as const
  return (table === 'gpt' ? gpt : mbr)[content.kind]
}

/** Names cannot be options: a package's name begins with a letter or a digit. */
function packageSteps(
  names: readonly string[],
  tool: ImageSource['packages'],
): readonly ImageStep[] {
  if (names.length === 0) return []
  if (tool === 'apt') {
    return [
      { do: 'run-in-system', program: 'apt-get', args: ['update'] },
      {
        do: 'run-in-system',
        program: 'apt-get',
        args: ['install', '-y', '--no-install-recommends', ...names],
      },
    ]
  }
  const args =
    tool === 'dnf'
      ? ['install', '-y', ...names]
      : ['--non-interactive', 'install', '--no-recommends', ...names]
  return [{ do: 'run-in-system', program: tool, args }]
}

function identityOf({ link, reported }: Layout['disks'][number]): DiskIdentity {
  const { serial, wwn, sizeBytes } = reported
  return {
    link,
    ...(serial !== undefined && { serial }),
    ...(wwn !== undefined && { wwn }),
    sizeBytes,
  }
}

function toReference(device: Device): DeviceReference {
  switch (device.kind) {
    case 'partition':
      return { kind: 'partition', disk: identityOf(device.disk), number: device.part.number }
    case 'array':
      return { kind: 'array', name: device.part.name }
    case 'volume':
      return { kind: 'volume', group: device.group, name: device.part.name }
  }
}

function referenceOf(layout: Layout, id: string): DeviceReference {
  const device = devicesOf(layout).find(({ part }) => part.id === id)
  if (device === undefined) throw new Error(`${id} is in no layout`)
  return toReference(device)
}
