import { shortHash } from '@purlin/base'
import type { DomainSpec } from './domain-spec.ts'

/** Namespace of Purlin's mark in a domain's metadata. */
export const MARK_NAMESPACE = 'urn:purlin:1'

/** Purlin's mark on a domain. A domain without it is never touched. */
export interface DomainMark {
  /** Name of the machine; a copy under another name is not Purlin's. */
  readonly machine: string
  /** Hash of the spec that the domain was made of. */
  readonly specHash: string
  /** Which tap belongs to which port. */
  readonly ports: readonly { readonly port: string; readonly tapDevice: string }[]
}

/** Bumped when the same spec is written as other XML, so that domains are defined anew. */
const XML_FORM = 2
const HASH_CHARACTERS = 16

/** A hash that changes whenever the domain's XML would. */
export function specHash(spec: DomainSpec): string {
  const { name, uuid, cpus, memoryMiB, accelerator, boot, disks = [], nics, serialLogFile } = spec
  const parts = [
    XML_FORM,
    [name, uuid, cpus, memoryMiB, accelerator, serialLogFile],
    boot === undefined ? null : [boot.kernel, boot.initrd, boot.commandLine],
    disks.map((disk) =>
      'volume' in disk
        ? [
            ...[disk.target, disk.name, disk.volume, disk.socket],
            ...(disk.attach === 'nbd' ? [] : [disk.attach]),
          ]
        : [disk.target, disk.file, disk.format, disk.readonly ?? false],
    ),
    nics.map((nic) => [nic.port, nic.mac.toLowerCase(), nic.bridgeDevice, nic.tapDevice, nic.mtu]),
  ]
  return shortHash(JSON.stringify(parts), HASH_CHARACTERS)
}

/** The mark of a spec. */
export function markOf(spec: DomainSpec): DomainMark {
  return {
    machine: spec.name,
    specHash: specHash(spec),
    ports: spec.nics.map(({ port, tapDevice }) => ({ port, tapDevice })),
  }
}
