import { displayNodes, serialNode } from './console-nodes.ts'
import { diskNode, nicNode } from './device-nodes.ts'
import type { Accelerator, DiskSpec, DomainSpec, NicSpec } from './domain-spec.ts'
import { type DomainMark, MARK_NAMESPACE, MARK_PREFIX, markOf } from './mark.ts'
import { memoryDeviceNode, memoryDevices, numaNode, sizeNodes } from './memory-nodes.ts'
import type { MemoryDeviceReading } from './read-devices.ts'
import { type Node, xmlText } from './xml-text.ts'

/** The domain XML of a machine, with Purlin's mark; the same spec gives the same text.
 *  Errors: PUR_INVALID where a text holds control characters.
 *  Source: libvirt, "Domain XML format"; QEMU options measured on the probe guest. */
export function domainXml(spec: DomainSpec): string {
  return xmlText('domain', domainNode(spec))
}

/** A NIC as it is given to a running domain. Errors: as `domainXml`. */
export function nicXml(nic: NicSpec): string {
  return xmlText('interface', nicNode(nic))
}

/** A disk as it is given to a running domain. Errors: as `domainXml`. */
export function diskXml(disk: DiskSpec, machine: Pick<DomainSpec, 'cpus'>): string {
  return xmlText('disk', diskNode(disk, machine))
}

/** The memory device of a running domain as it is to be; libvirt finds it by name and address. */
export function memoryXml(device: MemoryDeviceReading): string {
  const { sizeMiB, requestedMiB, alias, address } = device
  const place = { alias: { '@name': alias }, address }
  const node = { ...memoryDeviceNode(sizeMiB, requestedMiB), ...place }
  return xmlText('memory', node)
}

/** A mark as metadata of its own: without prefix and namespace. */
export function markXml(mark: DomainMark): string {
  return xmlText('machine', markNode(mark, ''))
}

function domainNode(spec: DomainSpec): Node {
  return {
    '@type': spec.accelerator === 'kvm' ? 'kvm' : 'qemu',
    name: spec.name,
    uuid: spec.uuid,
    metadata: { [`${MARK_PREFIX}:machine`]: markNode(markOf(spec), `${MARK_PREFIX}:`) },
    ...sizeNodes(spec),
    ...(spec.ioThreads !== undefined && { iothreads: spec.ioThreads }),
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
    cpu: {
      '@mode': spec.accelerator === 'kvm' ? 'host-passthrough' : 'maximum',
      ...numaNode(spec),
    },
    on_poweroff: 'destroy',
    on_reboot: 'restart',
    on_crash: 'destroy',
    devices: {
      emulator: '/usr/bin/qemu-system-x86_64',
      ...(spec.disks !== undefined && { disk: spec.disks.map((disk) => diskNode(disk, spec)) }),
      controller: [{ '@type': 'usb', '@model': 'none' }, ...slotNodes(spec)],
      interface: spec.nics.map(nicNode),
      serial: serialNode(spec),
      channel: {
        '@type': 'unix',
        target: { '@type': 'virtio', '@name': 'org.qemu.guest_agent.0' },
      },
      ...displayNodes(spec),
      ...memoryDevices(spec),
      // A guest whose kernel panics says so by it, and is off then instead of standing still.
      panic: { '@model': 'isa' },
    },
  }
}

function markNode(mark: DomainMark, prefix: string): Node {
  return {
    ...(prefix !== '' && { [`@xmlns:${MARK_PREFIX}`]: MARK_NAMESPACE }),
    '@name': mark.machine,
    '@specHash': mark.specHash,
    '@form': mark.form,
    [`${prefix}nic`]: mark.ports.map(({ port, tapDevice }) => ({
      '@port': port,
      '@tap': tapDevice,
    })),
  }
}

/** Slots for devices that come while the machine runs. */
const FREE_SLOTS = 8
/** What has a slot beside disks and NICs: memory, balloon, channel, tablet. */
const OTHER_SLOTS = 4
/** Four places of eight on the root bus, which is enough for all disks and NICs there may be. */
const SLOTS_MAX = 32

/** PCI Express has a port for each slot, and all of them are there from the start on.
 *  Source: libvirt, "PCI topology and hotplug", q35. */
function slotNodes({ disks = [], nics }: DomainSpec): Node[] {
  const count = Math.min(disks.length + nics.length + OTHER_SLOTS + FREE_SLOTS, SLOTS_MAX)
  const ports = Array.from({ length: count }, () => ({
    '@type': 'pci',
    '@model': 'pcie-root-port',
  }))
  // libvirt gives the first one the number 0, which is the root's.
  return [{ '@type': 'pci', '@index': 0, '@model': 'pcie-root' }, ...ports]
}

/** A guest of 128 MiB needs no translation cache of a gigabyte, which is QEMU's own choice. */
function featuresNode(accelerator: Accelerator): Node {
  const cache: Node = { 'tb-cache': { '@unit': 'MiB', '#': 32 } }
  return accelerator === 'tcg' ? { acpi: '', tcg: cache } : { acpi: '', apic: '' }
}
