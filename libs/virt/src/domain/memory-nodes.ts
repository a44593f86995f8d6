import { isVhostUser } from './device-nodes.ts'
import type { DomainSpec } from './domain-spec.ts'
import type { Node } from './xml-text.ts'

/** The unit in which memory comes and goes while a machine runs: a huge page of x86. */
export const MEMORY_BLOCK_MIB = 2

/** How often the guest's balloon tells of the memory inside. */
const STATISTICS_SECONDS = 10

/** The block daemon maps the guest's memory, so it is a file that QEMU may pass on; one of memfd
 *  cannot shrink, which the daemon insists on. Source: libvirt, "Domain XML format", memory
 *  backing. */
const SHARED_MEMORY: Node = { source: { '@type': 'memfd' }, access: { '@mode': 'shared' } }

/** Memory and processors of a domain, with what they may become while it runs. Processor 0 is there
 *  for good, each other one may leave. */
export function sizeNodes(spec: DomainSpec): Node {
  const { cpus, maximumCpus, memoryMiB, maximumMemoryMiB } = spec
  const shared = spec.disks?.some(isVhostUser) === true
  return {
    ...(maximumMemoryMiB !== undefined && {
      // libvirt counts slots for modules alone, and wants one all the same.
      maxMemory: { '@slots': 1, '@unit': 'MiB', '#': maximumMemoryMiB },
    }),
    memory: { '@unit': 'MiB', '#': maximumMemoryMiB ?? memoryMiB },
    ...(shared && { memoryBacking: SHARED_MEMORY }),
    vcpu: maximumCpus === undefined ? cpus : { '@current': cpus, '#': maximumCpus },
    ...(maximumCpus !== undefined && {
      vcpus: {
        vcpu: Array.from({ length: maximumCpus }, (_, id) => ({
          '@id': id,
          '@enabled': id < cpus ? 'yes' : 'no',
          '@hotpluggable': id === 0 ? 'no' : 'yes',
        })),
      },
    }),
  }
}

/** Memory that comes later belongs to a NUMA node, so that there is one. */
export function numaNode(spec: DomainSpec): Node {
  const { maximumCpus, cpus, maximumMemoryMiB, memoryMiB } = spec
  if (maximumMemoryMiB === undefined) return {}
  const last = (maximumCpus ?? cpus) - 1
  const cell = { '@id': 0, '@cpus': `0-${last}`, '@memory': memoryMiB, '@unit': 'MiB' }
  return { numa: { cell } }
}

/** What is between the memory a machine starts with and the most it may have, of which the guest
 *  has `requestedMiB`. Source: libvirt, "Domain XML format", memory devices; QEMU, virtio-mem. */
export function memoryDeviceNode(sizeMiB: number, requestedMiB: number): Node {
  return {
    '@model': 'virtio-mem',
    target: {
      size: { '@unit': 'MiB', '#': sizeMiB },
      node: 0,
      block: { '@unit': 'MiB', '#': MEMORY_BLOCK_MIB },
      requested: { '@unit': 'MiB', '#': requestedMiB },
    },
  }
}

/** The devices by which memory comes and goes. */
export function memoryDevices({ memoryMiB, maximumMemoryMiB }: DomainSpec): Node {
  const growthMiB = (maximumMemoryMiB ?? memoryMiB) - memoryMiB
  return {
    ...(growthMiB > 0 && { memory: memoryDeviceNode(growthMiB, 0) }),
    memballoon: { '@model': 'virtio', stats: { '@period': STATISTICS_SECONDS } },
  }
}
