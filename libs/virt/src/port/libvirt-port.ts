import type { HostResources } from './addon.ts'
import type { LibvirtEvent } from './event.ts'

/** How long a call may take, and a signal to give it up earlier. */
export interface CallOptions {
  readonly deadlineMs: number
  readonly signal?: AbortSignal
}

/** A domain as libvirt has it; `state` and `reason` are libvirt's virDomainState and its reason. */
export interface DomainRecord {
  readonly name: string
  readonly uuid: string
  /** Number while the domain is active. */
  readonly id?: number
  readonly state: number
  readonly reason: number
  readonly persistent: boolean
  readonly autostart: boolean
  /** Its memory lies on the host's disk; the next start takes it up. */
  readonly managedSave: boolean
  /** XML of what is in force now. */
  readonly xml: string
  /** XML of what is in force after the next start; for active persistent domains. */
  readonly inactiveXml?: string
}

export interface LibvirtVersions {
  /** `major.minor.release` of the library in this process. */
  readonly library: string
  readonly daemon: string
  readonly hypervisor: string
}

/** What is measured of a domain, by libvirt's field names such as `net.0.rx.bytes`. */
export interface DomainStatistics {
  readonly domain: string
  readonly values: Readonly<Record<string, number | string>>
}

export type ConnectionState = 'connecting' | 'connected' | 'lost' | 'closed'

/** The connection as people need to see it. */
export interface PortState {
  readonly connection: ConnectionState
  readonly uri: string
  /** Milliseconds in this state. */
  readonly ageMs: number
  /** Why the connection is not there, when it is not. */
  readonly failure?: string
  /** The oldest call that has not come back, opening included. */
  readonly stuckCall?: { readonly call: string; readonly ageMs: number }
}

/** libvirt as the rest of Purlin sees it. Domains go by name. Every call rejects with a
 *  PurlinError: PUR_VIRT_UNREACHABLE, PUR_VIRT_TIMEOUT, PUR_VIRT_NO_DOMAIN, PUR_VIRT_DOMAIN_EXISTS,
 *  PUR_VIRT_REFUSED, PUR_VIRT_AGENT_UNRESPONSIVE, PUR_VIRT_FAILED, PUR_CANCELLED. A call given up
 *  may still take effect. */
export interface LibvirtPort {
  state(): PortState
  /** Hands on every event until the returned function is called. */
  onEvent(listener: (event: LibvirtEvent) => void): () => void
  versions(options: CallOptions): Promise<LibvirtVersions>
  hostname(options: CallOptions): Promise<string>
  /** XML of the capabilities of host and hypervisor. */
  capabilities(options: CallOptions): Promise<string>
  hostResources(options: CallOptions): Promise<HostResources>
  listDomains(options: CallOptions): Promise<readonly DomainRecord[]>
  /** Of every active domain, in one call. */
  statistics(options: CallOptions): Promise<readonly DomainStatistics[]>
  domain(name: string, options: CallOptions): Promise<DomainRecord>
  domainXml(name: string, options: CallOptions & { readonly inactive?: boolean }): Promise<string>
  defineXml(xml: string, options: CallOptions): Promise<void>
  start(name: string, options: CallOptions & { readonly paused?: boolean }): Promise<void>
  /** Starts a domain with its saved memory, which takes as long as reading that does. */
  restore(name: string, options: CallOptions & { readonly paused?: boolean }): Promise<void>
  /** Writes the memory of an active domain to the host's disk and ends the domain. */
  save(name: string, options: CallOptions): Promise<void>
  /** Takes a snapshot by its XML, of which libvirt keeps nothing: how the memory of an active
   *  domain is written to a file without ending it. */
  snapshot(name: string, xml: string, options: CallOptions): Promise<void>
  /** Starts a domain with the memory that is in a file of the host; the file stays. */
  restoreFile(file: string, options: CallOptions & { readonly paused?: boolean }): Promise<void>
  /** Throws saved memory away. */
  discardSave(name: string, options: CallOptions): Promise<void>
  shutdown(name: string, options: CallOptions & { readonly by?: GuestChannel }): Promise<void>
  reboot(name: string, options: CallOptions & { readonly by?: GuestChannel }): Promise<void>
  reset(name: string, options: CallOptions): Promise<void>
  destroy(name: string, options: CallOptions & { readonly graceful?: boolean }): Promise<void>
  suspend(name: string, options: CallOptions): Promise<void>
  resume(name: string, options: CallOptions): Promise<void>
  /** Wakes a guest that put itself to sleep. */
  wakeup(name: string, options: CallOptions): Promise<void>
  undefine(name: string, options: CallOptions): Promise<void>
  /** How many bytes a disk of an active domain has for its guest; `target` as `vda`. */
  diskBytes(name: string, target: string, options: CallOptions): Promise<number>
  /** Tells the guest of an active domain that a disk has another size now. */
  resizeDisk(name: string, target: string, sizeBytes: number, options: CallOptions): Promise<void>
  /** A descriptor of a socket that speaks RFB with the screen of an active domain, without a
   *  password; the caller closes it. */
  openGraphics(name: string, options: CallOptions): Promise<number>
  /** Adds a device to an active domain, by its XML. */
  attachDevice(name: string, xml: string, options: CallOptions): Promise<void>
  /** Asks the guest of an active domain to let go of a device, by the alias that its XML names, and
   *  resolves at once: a `device` event tells when it did. */
  detachDevice(name: string, alias: string, options: CallOptions): Promise<void>
  /** Changes a device of an active domain, by its XML. */
  updateDevice(name: string, xml: string, options: CallOptions): Promise<void>
  /** Gives processors to the guest of an active domain, or takes some, for which libvirt waits some
   *  seconds. Calls to other machines go on meanwhile. */
  setCpus(name: string, count: number, options: CallOptions): Promise<void>
  /** Sets what the balloon leaves to the guest of an active domain. */
  setMemory(name: string, memoryMiB: number, options: CallOptions): Promise<void>
  /** Sets what a disk of an active domain may use, by libvirt's names such as `total_iops_sec`; 0
   *  takes a limit away. */
  setDiskLimits(
    name: string,
    target: string,
    limits: Readonly<Record<string, number>>,
    options: CallOptions,
  ): Promise<void>
  /** Puts an element into a domain's metadata, in place of that of the same namespace. */
  setMetadata(
    name: string,
    element: MetadataElement,
    options: CallOptions & { readonly inactive?: boolean },
  ): Promise<void>
  /** One JSON command for the guest agent and its answer; libvirt itself gives up after
   *  `timeoutSeconds`. */
  agentCommand(
    name: string,
    command: string,
    options: CallOptions & { readonly timeoutSeconds: number },
  ): Promise<string>
  /** Ends the connection and every attempt at one. */
  close(): void
}

/** An element of metadata: `xml` without prefix and namespace. */
export interface MetadataElement {
  readonly namespace: string
  readonly prefix: string
  readonly xml: string
}

/** How a guest is asked to power off: its power button (ACPI, the default) or its agent. */
export type GuestChannel = 'acpi' | 'agent'
