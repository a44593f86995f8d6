import { PurlinError } from '@purlin/base'
import { XMLBuilder } from 'fast-xml-parser'
import type {
  Accelerator,
  DiskSpec,
  DomainSpec,
  FileDiskSpec,
  NicSpec,
  VolumeDiskSpec,
} from './domain-spec.ts'
import { MARK_NAMESPACE, markOf } from './mark.ts'

/** A node of XML: attributes begin with `@`, text is `#`. */
type Node = { readonly [key: string]: Node | readonly Node[] | string | number }

const builder = new XMLBuilder({
  attributeNamePrefix: '@',
  textNodeName: '#',
  ignoreAttributes: false,
  suppressEmptyNode: true,
  format: true,
  indentBy: '  ',
})

/** Characters that XML cannot carry, or changes on the way (XML 1.0, 2.2 and 3.3.3). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\ufffe\uffff]|\p{Surrogate}/u

/** The domain XML of a machine, with Purlin's mark; the same spec gives the same text.
 *  Errors: PUR_INVALID where a text holds control characters.
 *  Source: libvirt, "Domain XML format"; QEMU options measured on the probe guest. */
export function domainXml(spec: DomainSpec): string {
  const node = domainNode(spec)
  refuseUnsafe(node, 'domain')
  return builder.build({ domain: node })
}

function domainNode(spec: DomainSpec): Node {
  return {
    '@type': spec.accelerator === 'kvm' ? 'kvm' : 'qemu',
    name: spec.name,
    uuid: spec.uuid,
    metadata: { 'purlin:machine': markNode(spec) },
    memory: { '@unit': 'MiB', '#': spec.memoryMiB },
    ...(spec.disks?.some(isVhostUser) === true && { memoryBacking: SHARED_MEMORY }),
    vcpu: spec.cpus,
    os: {
      type: { '@arch': 'x86_64', '@machine': 'q35', '#': 'hvm' },
      ...(spec.boot !== undefined && {
        kernel: spec.boot.kernel,
        initrd: spec.boot.initrd,
        cmdline: spec.boot.commandLine,
      }),
    },
    features: featuresNode(spec.accelerator),
    // Under TCG the host's processor means nothing; `maximum` is all that QEMU can translate.
    cpu: { '@mode': spec.accelerator === 'kvm' ? 'host-passthrough' : 'maximum' },
    on_poweroff: 'destroy',
    on_reboot: 'restart',
    on_crash: 'destroy',
    devices: {
      emulator: '/usr/bin/qemu-system-x86_64',
      ...(spec.disks !== undefined && { disk: spec.disks.map((disk) => diskNode(disk, spec)) }),
      controller: { '@type': 'usb', '@model': 'none' },
      interface: spec.nics.map(nicNode),
      serial: {
        '@type': 'file',
        source: { '@path': spec.serialLogFile },
        target: { '@port': 0 },
      },
      channel: {
        '@type': 'unix',
        target: { '@type': 'virtio', '@name': 'org.qemu.guest_agent.0' },
      },
      memballoon: { '@model': 'virtio' },
      // A guest whose kernel panics says so by it, and is off then instead of standing still.
      panic: { '@model': 'isa' },
    },
  }
}

function markNode(spec: DomainSpec): Node {
  const mark = markOf(spec)
  return {
    '@xmlns:purlin': MARK_NAMESPACE,
    '@name': mark.machine,
    '@specHash': mark.specHash,
    'purlin:nic': mark.ports.map(({ port, tapDevice }) => ({ '@port': port, '@tap': tapDevice })),
  }
}

/** A guest of 128 MiB needs no translation cache of a gigabyte, which is QEMU's own choice. */
function featuresNode(accelerator: Accelerator): Node {
  const cache: Node = { 'tb-cache': { '@unit': 'MiB', '#': 32 } }
  return accelerator === 'tcg' ? { acpi: '', tcg: cache } : { acpi: '', apic: '' }
}

/** The guest finishes checksums and cuts segments itself: Open vSwitch's userspace datapath reads a
 *  tap without the header that says what is left to do, and such frames would be dropped. */
const PLAIN_FRAMES: Node = {
  '@name': 'qemu',
  host: { '@csum': 'off', '@gso': 'off', '@tso4': 'off', '@tso6': 'off', '@ufo': 'off' },
}

/** Without a bridge libvirt makes the tap and hands it to QEMU open, as it does with one, so QEMU's
 *  user needs no right to it; `managed='no'` would want the tap beforehand, and a script is not
 *  run. Source: libvirt, "Domain XML format", generic ethernet connection. */
function nicNode(nic: NicSpec): Node {
  const { bridgeDevice } = nic
  return {
    '@type': bridgeDevice === undefined ? 'ethernet' : 'bridge',
    mac: { '@address': nic.mac.toLowerCase() },
    ...(bridgeDevice !== undefined && { source: { '@bridge': bridgeDevice } }),
    target: { '@dev': nic.tapDevice },
    model: { '@type': 'virtio' },
    // vhost would need /dev/vhost-net, which a host in a namespace or a container lacks.
    driver: bridgeDevice === undefined ? PLAIN_FRAMES : { '@name': 'qemu' },
    mtu: { '@size': nic.mtu },
    rom: { '@enabled': 'no' },
  }
}

function diskNode(disk: DiskSpec, spec: DomainSpec): Node {
  if (!('volume' in disk)) return fileNode(disk)
  return isVhostUser(disk) ? vhostUserNode(disk, spec) : volumeNode(disk)
}

function isVhostUser(disk: DiskSpec): boolean {
  return 'volume' in disk && disk.attach === 'vhost-user'
}

/** The block daemon maps the guest's memory, so it is a file that QEMU may pass on; one of memfd
 *  cannot shrink, which the daemon insists on. Source: libvirt, "Domain XML format", memory
 *  backing. */
const SHARED_MEMORY: Node = { source: { '@type': 'memfd' }, access: { '@mode': 'shared' } }

/** What the block daemon has of queues for a device. */
const QUEUES_MAX = 64
/** How often QEMU tries to come back to a daemon that went. */
const RECONNECT_SECONDS = 1

/** A disk whose requests the block daemon takes out of the guest's memory, a queue for each
 *  processor. While the daemon is away they wait there. libvirt takes none of the words for caches,
 *  errors, sectors and serial numbers here, which are all the daemon's to say; an external snapshot
 *  is none of such a disk. Source: libvirt, "Domain XML format", disks of type vhostuser. */
function vhostUserNode(disk: VolumeDiskSpec, { cpus }: DomainSpec): Node {
  return {
    '@type': 'vhostuser',
    '@device': 'disk',
    '@snapshot': 'no',
    driver: { '@name': 'qemu', '@type': 'raw', '@queues': Math.min(cpus, QUEUES_MAX) },
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
    },
    source: {
      '@protocol': 'nbd',
      '@name': disk.volume,
      host: { '@transport': 'unix', '@socket': disk.socket },
    },
    blockio: { '@logical_block_size': 512, '@physical_block_size': 4096 },
    target: { '@dev': disk.target, '@bus': 'virtio' },
    serial: disk.name,
  }
}

function fileNode(disk: FileDiskSpec): Node {
  return {
    '@type': 'file',
    '@device': 'disk',
    driver: { '@name': 'qemu', '@type': disk.format, '@discard': 'unmap' },
    source: { '@file': disk.file },
    target: { '@dev': disk.target, '@bus': 'virtio' },
    ...(disk.readonly === true && { readonly: '' }),
  }
}

function refuseUnsafe(value: Node | readonly Node[] | string | number, path: string): void {
  if (typeof value === 'number') return
  if (typeof value !== 'string') {
    for (const [key, part] of Object.entries(value)) refuseUnsafe(part, `${path}.${key}`)
    return
  }
  if (!UNSAFE.test(value)) return
  throw new PurlinError('PUR_INVALID', {
    message: `${path}: ${JSON.stringify(value)} holds a control character, which domain XML cannot carry`,
    problems: [{ path, message: 'holds a control character' }],
  })
}
