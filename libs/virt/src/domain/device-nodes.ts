import { limitWords } from './disk-limits.ts'
import type { DiskSpec, DomainSpec, FileDiskSpec, NicSpec, VolumeDiskSpec } from './domain-spec.ts'
import type { Node } from './xml-text.ts'

/** The guest finishes checksums and cuts segments itself: Open vSwitch's userspace datapath reads a
 *  tap without the header that says what is left to do, and such frames would be dropped. */
const PLAIN_FRAMES: Node = {
  '@name': 'qemu',
  host: { '@csum': 'off', '@gso': 'off', '@tso4': 'off', '@tso6': 'off', '@ufo': 'off' },
}

/** A NIC. Without a bridge libvirt makes the tap and hands it to QEMU open, as it does with one, so
 *  QEMU's user needs no right to it; `managed='no'` would want the tap beforehand, and a script is
 *  not run. Source: libvirt, "Domain XML format", generic ethernet connection. */
export function nicNode(nic: NicSpec): Node {
  const { bridgeDevice, queues } = nic
  return {
    '@type': bridgeDevice === undefined ? 'ethernet' : 'bridge',
    mac: { '@address': nic.mac.toLowerCase() },
    ...(bridgeDevice !== undefined && { source: { '@bridge': bridgeDevice } }),
    target: { '@dev': nic.tapDevice },
    model: { '@type': 'virtio' },
    // vhost would need /dev/vhost-net, which a host in a namespace or a container lacks.
    driver: {
      ...(bridgeDevice === undefined ? PLAIN_FRAMES : { '@name': 'qemu' }),
      ...(queues !== undefined && { '@queues': queues }),
    },
    mtu: { '@size': nic.mtu },
    rom: { '@enabled': 'no' },
  }
}

/** A disk of a machine. */
export function diskNode(disk: DiskSpec, machine: Pick<DomainSpec, 'cpus'>): Node {
  if (!('volume' in disk)) return fileNode(disk)
  return isVhostUser(disk) ? vhostUserNode(disk, machine) : volumeNode(disk)
}

/** Whether the disk's requests go to the block daemon through the guest's memory. */
export function isVhostUser(disk: DiskSpec): boolean {
  return 'volume' in disk && disk.attach === 'vhost-user'
}

/** What the block daemon has of queues for a device. */
const QUEUES_MAX = 64
/** How often QEMU tries to come back to a daemon that went. */
const RECONNECT_SECONDS = 1

/** A disk whose requests the block daemon takes out of the guest's memory, a queue for each
 *  processor. While the daemon is away they wait there. libvirt takes none of the words for caches,
 *  errors, sectors and serial numbers here, which are all the daemon's to say; an external snapshot
 *  is none of such a disk. Source: libvirt, "Domain XML format", disks of type vhostuser. */
function vhostUserNode(disk: VolumeDiskSpec, { cpus }: Pick<DomainSpec, 'cpus'>): Node {
  const queues = disk.queues ?? Math.min(cpus, QUEUES_MAX)
  return {
    '@type': 'vhostuser',
    '@device': 'disk',
    '@snapshot': 'no',
    driver: { '@name': 'qemu', '@type': 'raw', '@queues': queues },
    source: {
      '@type': 'unix',
      '@path': disk.socket,
      reconnect: { '@enabled': 'yes', '@timeout': RECONNECT_SECONDS },
    },
    target: { '@dev': disk.target, '@bus': 'virtio' },
  }
}

/** A guest whose daemon is away stops with its requests in QEMU instead of seeing errors, and goes
 *  on when it is resumed: libvirt 9.0 has no way to say NBD's reconnect delay. The volume's blocks
 *  have 4096 bytes and QEMU takes smaller writes apart by itself, so a guest may begin as one on
 *  disks of 512. Source: libvirt, "Domain XML format", network disks. */
function volumeNode(disk: VolumeDiskSpec): Node {
  return {
    '@type': 'network',
    '@device': 'disk',
    driver: {
      ...{ '@name': 'qemu', '@type': 'raw', '@cache': 'none', '@discard': 'unmap' },
      ...{ '@detect_zeroes': 'unmap', '@error_policy': 'stop', '@rerror_policy': 'stop' },
      ...queueWords(disk),
    },
    source: {
      '@protocol': 'nbd',
      '@name': disk.volume,
      host: { '@transport': 'unix', '@socket': disk.socket },
    },
    blockio: { '@logical_block_size': 512, '@physical_block_size': 4096 },
    target: { '@dev': disk.target, '@bus': 'virtio' },
    ...iotune(disk),
    serial: disk.name,
  }
}

function fileNode(disk: FileDiskSpec): Node {
  return {
    '@type': 'file',
    '@device': 'disk',
    driver: {
      ...{ '@name': 'qemu', '@type': disk.format, '@discard': 'unmap' },
      ...queueWords(disk),
    },
    source: { '@file': disk.file },
    target: { '@dev': disk.target, '@bus': 'virtio' },
    ...(disk.readonly === true && { readonly: '' }),
    ...iotune(disk),
  }
}

function queueWords({ queues, ioThread }: DiskSpec): Node {
  return {
    ...(queues !== undefined && { '@queues': queues }),
    ...(ioThread !== undefined && { '@iothread': ioThread }),
  }
}

function iotune({ limits }: DiskSpec): Node {
  const words = limitWords(limits)
  return Object.keys(words).length === 0 ? {} : { iotune: words }
}
