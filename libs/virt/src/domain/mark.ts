import { shortHash } from '@purlin/base'
import { limitsText, limitWords } from './disk-limits.ts'
import type { DiskSpec, DomainSpec } from './domain-spec.ts'

/** Namespace of Purlin's mark in a domain's metadata. */
export const MARK_NAMESPACE = 'urn:purlin:1'

/** The namespace's prefix, where Purlin writes it. */
export const MARK_PREFIX = 'purlin'

/** Purlin's mark on a domain. A domain without it is never touched. */
export interface DomainMark {
  /** Name of the machine; a copy under another name is not Purlin's. */
  readonly machine: string
  /** Hash of the spec that the domain was made of. */
  readonly specHash: string
  /** How the domain was written; an older form is written anew for the next start, and changes
   *  nothing of a running machine. */
  readonly form: number
  /** Which tap belongs to which port. */
  readonly ports: readonly { readonly port: string; readonly tapDevice: string }[]
}

/** Bumped when the same spec is written as other XML, so that domains are defined anew. */
export const XML_FORM = 3
/** The form of domains whose mark names none. */
export const FIRST_FORM = 2
/** In the place of a hash: the domain is as somebody else made it until its next start. */
export const ADOPTED = 'adopted'
const HASH_CHARACTERS = 16

/** A hash that changes whenever another domain is wanted. What a spec does not have is no part of
 *  it, so that new fields change no hash of before; the form is no part of it either. */
export function specHash(spec: DomainSpec): string {
  const { maximumCpus, maximumMemoryMiB, ioThreads } = spec
  const { name, uuid, cpus, memoryMiB, accelerator, boot, disks = [], nics, serialLogFile } = spec
  const parts = [
    FIRST_FORM,
    [name, uuid, cpus, memoryMiB, accelerator, serialLogFile],
    boot === undefined ? null : [boot.kernel, boot.initrd, boot.commandLine],
    disks.map((disk) =>
      'volume' in disk
        ? [
            ...[disk.target, disk.name, disk.volume, disk.socket],
            ...(disk.attach === 'nbd' ? [] : [disk.attach]),
            ...said(tuning(disk)),
          ]
        : [...[disk.target, disk.file, disk.format, disk.readonly ?? false], ...said(tuning(disk))],
    ),
    nics.map((nic) => [
      ...[nic.port, nic.mac.toLowerCase(), nic.bridgeDevice, nic.tapDevice, nic.mtu],
      ...said({ queues: nic.queues }),
    ]),
    ...said({ maximumCpus, maximumMemoryMiB, ioThreads }),
  ]
  return shortHash(JSON.stringify(parts), HASH_CHARACTERS)
}

function tuning({ limits, queues, ioThread }: DiskSpec): Readonly<Record<string, unknown>> {
  return { limits: limits && limitsText(limitWords(limits)), queues, ioThread }
}

/** The fields that are there, as one part; none where there are none. */
function said(fields: Readonly<Record<string, unknown>>): readonly object[] {
  return Object.values(fields).some((value) => value !== undefined) ? [fields] : []
}

/** The mark of a spec. */
export function markOf(spec: DomainSpec): DomainMark {
  return {
    machine: spec.name,
    specHash: specHash(spec),
    form: XML_FORM,
    ports: spec.nics.map(({ port, tapDevice }) => ({ port, tapDevice })),
  }
}
