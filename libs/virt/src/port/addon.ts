import { createRequire } from 'node:module'
import { findAddon, PurlinError } from '@purlin/base'

/** The addon as it is: libvirt's numbers, one promise a call, errors with `code` and
 *  `libvirtCode`. */
export interface Addon {
  openConnection(
    options: AddonOpenOptions,
    onEvent: (event: AddonEvent) => void,
  ): Promise<AddonConnection>
}

export interface AddonOpenOptions {
  readonly uri: string
  readonly readonly: boolean
  readonly deadlineMs: number
  readonly keepAliveIntervalSeconds: number
  readonly keepAliveCount: number
  readonly agentConnections: number
}

export interface AddonEvent {
  readonly kind: 'lifecycle' | 'agent' | 'reboot' | 'device' | 'closed'
  readonly domain?: string
  readonly uuid?: string
  readonly event: number
  readonly detail: number
  /** Alias; of `device` alone. */
  readonly device?: string
  /** Events that were left out before this one. */
  readonly dropped: number
}

export interface AddonDomain {
  readonly name: string
  readonly uuid: string
  readonly id?: number
  readonly state: number
  readonly reason: number
  readonly persistent: boolean
  readonly autostart: boolean
  readonly managedSave: boolean
  readonly xml: string
  readonly inactiveXml?: string
}

export interface AddonStatistics {
  readonly domain: string
  readonly fields: readonly {
    readonly name: string
    readonly number?: number
    readonly text?: string
  }[]
}

export interface AddonConnection {
  close(): void
  runningCalls(): readonly { readonly what: string; readonly ageMs: number }[]
  isAlive(deadlineMs: number): Promise<boolean>
  versions(deadlineMs: number): Promise<{ library: number; daemon: number; hypervisor: number }>
  hostname(deadlineMs: number): Promise<string>
  capabilities(deadlineMs: number): Promise<string>
  hostResources(deadlineMs: number): Promise<HostResources>
  listDomains(deadlineMs: number): Promise<AddonDomain[]>
  statistics(deadlineMs: number): Promise<AddonStatistics[]>
  domain(name: string, deadlineMs: number): Promise<AddonDomain>
  domainXml(name: string, inactive: boolean, deadlineMs: number): Promise<string>
  defineXml(xml: string, deadlineMs: number): Promise<void>
  start(name: string, paused: boolean, deadlineMs: number): Promise<void>
  restore(name: string, paused: boolean, deadlineMs: number): Promise<void>
  save(name: string, deadlineMs: number): Promise<void>
  discardSave(name: string, deadlineMs: number): Promise<void>
  snapshot(name: string, xml: string, deadlineMs: number): Promise<void>
  restoreFile(file: string, paused: boolean, deadlineMs: number): Promise<void>
  shutdown(name: string, byAgent: boolean, deadlineMs: number): Promise<void>
  reboot(name: string, byAgent: boolean, deadlineMs: number): Promise<void>
  reset(name: string, deadlineMs: number): Promise<void>
  destroy(name: string, graceful: boolean, deadlineMs: number): Promise<void>
  suspend(name: string, deadlineMs: number): Promise<void>
  resume(name: string, deadlineMs: number): Promise<void>
  wakeup(name: string, deadlineMs: number): Promise<void>
  undefine(name: string, deadlineMs: number): Promise<void>
  diskBytes(name: string, target: string, deadlineMs: number): Promise<number>
  resizeDisk(name: string, target: string, sizeBytes: number, deadlineMs: number): Promise<void>
  openGraphics(name: string, deadlineMs: number): Promise<number>
  attachDevice(name: string, xml: string, deadlineMs: number): Promise<void>
  detachDevice(name: string, alias: string, deadlineMs: number): Promise<void>
  updateDevice(name: string, xml: string, deadlineMs: number): Promise<void>
  setCpus(name: string, count: number, deadlineMs: number): Promise<void>
  setMemory(name: string, memoryKib: number, deadlineMs: number): Promise<void>
  setDiskLimits(
    name: string,
    target: string,
    limits: { readonly name: string; readonly value: number }[],
    deadlineMs: number,
  ): Promise<void>
  setMetadata(
    name: string,
    element: { readonly namespace: string; readonly prefix: string; readonly xml: string },
    inactive: boolean,
    deadlineMs: number,
  ): Promise<void>
  agentCommand(
    name: string,
    command: string,
    timeoutSeconds: number,
    deadlineMs: number,
  ): Promise<string>
}

/** The host's resources, as libvirt's virNodeGetInfo gives them. */
export interface HostResources {
  readonly model: string
  readonly memoryKib: number
  readonly cpus: number
  readonly frequencyMhz: number
  readonly numaNodes: number
  readonly sockets: number
  readonly cores: number
  readonly threads: number
}

/** Where a person or a package may name another file. */
const ADDON_VARIABLE = 'PURLIN_VIRT_ADDON'

/** The addon's file: as `PURLIN_VIRT_ADDON` says, else where it was built or packaged.
 *  Errors: PUR_NATIVE_MISSING. */
export function addonPath(environment: NodeJS.ProcessEnv = process.env): string {
  const named = environment[ADDON_VARIABLE]
  if (named !== undefined && named !== '') return named
  return findAddon({
    purpose: 'libvirt',
    library: 'virt',
    binding: 'virt-binding',
    from: import.meta.url,
    folders: ['../../native/', './native/'],
  })
}

/** Loads the addon. Errors: PUR_NATIVE_MISSING, where libvirt's own library is missing too. */
export function loadAddon(path: string = addonPath()): Addon {
  try {
    return createRequire(import.meta.url)(path) as Addon
  } catch (thrown) {
    const found = thrown instanceof Error ? (thrown.message.split('\n')[0] ?? '') : String(thrown)
    throw new PurlinError('PUR_NATIVE_MISSING', {
      message: `libvirt: loading the addon ${path}: ${found}; build it, or install libvirt's library (libvirt0)`,
      context: { path },
      cause: thrown,
    })
  }
}
